"""The error tree: drawn as it is, and fit to cross process borders."""

import inspect
import pickle  # noqa: TID251  Celery and multiprocessing pickle errors
import re

import pytest

import node.errors
from models.errors import OsteoNodeError
from node.errors import RefusedObject

CLASSES = [
    one
    for _, one in inspect.getmembers(node.errors, inspect.isclass)
    if issubclass(one, OsteoNodeError)
]


def _drawn() -> dict[str, str]:
    """Class name to the name of its parent, from the drawing in the docstring."""
    parents, levels = {}, {}
    for line in (node.errors.__doc__ or "").splitlines():
        match = re.fullmatch(r"( {4,})([*-] )?([A-Z]\w+)", line)
        if match:
            depth = {None: 0, "* ": 1, "- ": 2}[match[2]]
            levels[depth] = match[3]
            parents[match[3]] = levels.get(depth - 1, "Exception")
    return parents


def test_drawing_shows_the_classes_as_they_are() -> None:
    """Every class is in the drawing under its parent, and nothing else is."""
    assert _drawn() == {one.__name__: one.__bases__[0].__name__ for one in CLASSES}


@pytest.mark.parametrize("error", CLASSES, ids=lambda one: one.__name__)
def test_every_error_survives_pickling(error: type[OsteoNodeError]) -> None:
    """Type, fields and words stay."""
    before = error("found", "expected", "remedy")

    after = pickle.loads(pickle.dumps(before))

    assert type(after) is error
    assert (after.found, after.expected, after.remedy) == ("found", "expected", "remedy")
    assert str(after) == str(before)


def test_exports_are_the_classes() -> None:
    """``__all__`` names exactly the errors."""
    assert sorted(node.errors.__all__) == sorted(one.__name__ for one in CLASSES)


def test_every_refusal_has_a_failure_status() -> None:
    """No refusal may look like success or a warning to the sender."""
    refusals = [one for one in CLASSES if issubclass(one, RefusedObject)]
    assert len(refusals) == 5
    for one in refusals:
        assert one.status == 0x0110 or 0xA700 <= one.status <= 0xCFFF
        assert not 0xB000 <= one.status <= 0xBFFF
