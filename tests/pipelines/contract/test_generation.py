"""Sources and weights that decide results do not change unnoticed."""

from pipelines.contract.generation import model_set_version
from tests.pipelines.contract.result_digests import code_digest, current, recorded

WHAT_TO_DO = """
These files decide results and differ from the recorded digests:
  {changed}
1. If any series could now give another number, code, status or outline, raise GENERATION in
   pipelines/contract/generation.py. Otherwise old outcomes are reused for re-sent series.
2. In either case (also after a merge), run:
   python -m tests.pipelines.contract.result_digests
"""
PLAIN = """
LIMIT = 1.2


def too_large(x: float) -> bool:
    return x > LIMIT
"""
REWORDED = '''
"""A module."""

LIMIT = 1.2  # mm
"""Of the pixels."""

def too_large(
    x: float,
) -> bool:
    """Whether it is."""
    return (x > LIMIT)
'''


def test_results_do_not_change_unnoticed() -> None:
    """The recorded digests are those of the present sources, tables and weights."""
    before, now = recorded(), current()
    files = {*before["files"].items()} ^ {*now["files"].items()}
    changed = sorted({name for name, _ in files}) or ["none; the generation was raised"]

    assert now == before, WHAT_TO_DO.format(changed="\n  ".join(changed))


def test_rewording_keeps_the_digest_and_a_limit_changes_it() -> None:
    """Comments, docstrings and layout do not change the digest; a constant does."""
    assert code_digest(REWORDED) == code_digest(PLAIN)
    assert code_digest(PLAIN.replace("1.2", "1.3")) != code_digest(PLAIN)
    assert code_digest(PLAIN.replace("x >", "x >=")) != code_digest(PLAIN)


def test_version_of_the_model_set_is_short_and_stable() -> None:
    """Twelve hexadecimal digits, the same at every call."""
    assert model_set_version() == model_set_version()
    assert len(model_set_version()) == 12
    int(model_set_version(), 16)
