"""Record of a training run: its data, device and settings, in ``about.json`` beside the weights.

Every trainer writes the file. The exporter `training.loop.model_files.write_network` composes the
texts of a model card from it. A card therefore cannot name data that the run did not use.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import torch
from pydantic import BaseModel, ConfigDict

ABOUT: Final = "about.json"
NOT_RECORDED: Final = "not recorded"
NO_SETTINGS: Final = frozenset({"device", "precision", "threads", "resume"})
"""Fields of a configuration that `settings_of` omits: `Part` has device, precision and threads itself."""
Setting = str | int | float | bool


class Kind(StrEnum):
    """Kind of training data; the value is its name in a model card."""

    VIRTUAL = "virtual patients"
    PHANTOM = "reference phantoms"
    SHAPES = "real shapes with painted tissue"
    REAL = "real CT"
    TABLE = "table of patients"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Record):
    """One kind of training data that a run used.

    Parameters
    ----------
    what
        Unit and origin, for instance "patients of training/cohort".
    licence
        Licence of data that are not the project's own.
    """

    kind: Kind
    count: int
    what: str
    licence: str = ""

    @property
    def words(self) -> str:
        """Text for a model card."""
        licence = f" ({self.licence})" if self.licence else ""
        return f"{self.kind}: {self.count} {self.what}{licence}"


def used_sources(sources: Iterable[Source]) -> tuple[Source, ...]:
    """The sources of which a run holds at least one item."""
    return tuple(one for one in sources if one.count)


class Part(_Record):
    """One part of a run in time, from its start or resumption to its end.

    Parameters
    ----------
    settings
        Numbers and strings of the trainer's configuration; no paths.
    sources
        Training data; empty if they were not recorded.
    started_from
        Description of the initial weights of a new run; empty if they were random.
    """

    first_step: int
    last_step: int
    seconds: float
    device: str
    threads: int | None
    precision: str
    settings: dict[str, Setting]
    sources: tuple[Source, ...]
    started_from: str = ""

    @property
    def words(self) -> str:
        """Text for a model card."""
        steps = f"steps {self.first_step + 1} to {self.last_step}"
        if not self.sources:
            return f"{steps}: {NOT_RECORDED}"
        threads = f", {self.threads} threads" if self.threads and "CPU" in self.device else ""
        settings = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        return (
            f"{steps}: {self.device}{threads}, {self.precision}, {self.seconds / 60:.1f} minutes"
            f"{f' ({settings})' if settings else ''}{self.started_from and f', {self.started_from}'}"
        )


class About(_Record):
    """All parts of a run in order of time."""

    parts: tuple[Part, ...]

    def data_text(self) -> str:
        """Training data for a card: each source once, and whether any CT is real."""
        sources = tuple(dict.fromkeys(one for part in self.parts for one in part.sources))
        gaps = [
            f"data of steps {part.first_step + 1} to {part.last_step} {NOT_RECORDED}"
            for part in self.parts
            if not part.sources
        ]
        return data_words(sources, gaps)

    def training_text(self) -> str:
        """Steps, device, precision, duration and settings of every part, for a card."""
        return "; ".join(part.words for part in self.parts)


def data_words(sources: Sequence[Source], gaps: Sequence[str] = ()) -> str:
    """Sources as a card names them, and whether real CTs or patients are among them.

    Parameters
    ----------
    gaps
        Parts of a run whose data were not recorded, in words. With a gap nothing is ruled out.
    """
    words = "; ".join([*(one.words for one in sources), *gaps])
    kinds = {one.kind for one in sources}
    if gaps or kinds & {Kind.REAL, Kind.TABLE}:
        return f"{words}."
    absent = "CT" if Kind.SHAPES in kinds else "patient"
    return f"Simulation only: {words}. No real {absent}."


def unrecorded(steps: int, seconds: float) -> Part:
    """Record of a run by an earlier version that wrote no ``about.json``."""
    return Part(
        first_step=0,
        last_step=steps,
        seconds=seconds,
        device=NOT_RECORDED,
        threads=None,
        precision=NOT_RECORDED,
        settings={},
        sources=(),
    )


def settings_of(config: Any) -> dict[str, Setting]:
    """Numbers and strings of a trainer's configuration (a dataclass), without paths."""
    values = {one.name: getattr(config, one.name) for one in fields(config)}
    return {
        name: value
        for name, value in values.items()
        if name not in NO_SETTINGS
        and isinstance(value, str | int | float | bool)
        and not (isinstance(value, float) and math.isinf(value))
    }


def device_words(device: str) -> str:
    """Name of a run's device for a card: the GPU's name, or vector instructions and cores of the CPU."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU with {torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores"


def write_about(parts: Sequence[Part], folder: Path) -> None:
    """Write ``about.json``, replacing an earlier one in one step."""
    new = folder / f"{ABOUT}.new"
    new.write_text(About(parts=tuple(parts)).model_dump_json(indent=1) + "\n", encoding="utf-8")
    new.replace(folder / ABOUT)


def read_about(folder: Path, state: Mapping[str, Any]) -> About:
    """Read the record of a run.

    A run by an earlier version has no ``about.json``; its only part is `unrecorded`.

    Parameters
    ----------
    folder
        Folder of the run.
    state
        Content of ``state.json``: ``step`` and ``seconds``.
    """
    try:
        content = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return About(parts=(unrecorded(state["step"], state["seconds"]),))
    return About.model_validate(content)
