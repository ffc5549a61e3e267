"""What a training run was made from, and how: ``about.json`` beside its weights.

Every trainer writes the file; one exporter (`training.loop.model_files.write_network`) composes the
texts of a model card from it. So a card states what its run did, and cannot name data that the run
did not use.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import torch
from pydantic import BaseModel, ConfigDict

ABOUT: Final = "about.json"
NOT_RECORDED: Final = "not recorded"
NO_SETTINGS: Final = frozenset({"device", "precision", "threads", "resume"})
"""Fields of a configuration that a part states elsewhere."""
Setting = str | int | float | bool


class Kind(StrEnum):
    """What a kind of training data shows; the value is how a card names it."""

    VIRTUAL = "virtual patients"
    PHANTOM = "reference phantoms"
    SHAPES = "real shapes with painted tissue"
    REAL = "real CT"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Record):
    """One kind of training data that a run used.

    Parameters
    ----------
    what
        With unit and origin: "patients of training/cohort".
    licence
        Of data that are not the project's own.
    """

    kind: Kind
    count: int
    what: str
    licence: str = ""

    @property
    def words(self) -> str:
        """As a card names it."""
        licence = f" ({self.licence})" if self.licence else ""
        return f"{self.kind}: {self.count} {self.what}{licence}"


class Part(_Record):
    """One stretch of a run, from its start or resumption to its end.

    Parameters
    ----------
    settings
        Numbers and words of the trainer's configuration; no paths.
    sources
        Empty where they were not recorded.
    started_from
        Weights that a fresh run began with, in words.
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
        """As a card names it."""
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
    """All parts of a run, in their order."""

    parts: tuple[Part, ...]

    def data_text(self) -> str:
        """Training data for a card: every source of every part once, and whether any CT is real."""
        sources = tuple(dict.fromkeys(one for part in self.parts for one in part.sources))
        told = [one.words for one in sources]
        told += [
            f"data of steps {part.first_step + 1} to {part.last_step} {NOT_RECORDED}"
            for part in self.parts
            if not part.sources
        ]
        if any(one.kind is Kind.REAL for one in sources):
            return f"{'; '.join(told)}."
        known = all(part.sources for part in self.parts)
        start = "Simulation only: " if known else ""
        return f"{start}{'; '.join(told)}.{' No real CT.' if known else ''}"

    def training_text(self) -> str:
        """How the run went, for a card."""
        return "; ".join(part.words for part in self.parts)


def unrecorded(steps: int, seconds: float) -> Part:
    """The part of a run that a version without records made."""
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
    """Numbers and words of a trainer's configuration (a dataclass); paths are left out."""
    values = {one.name: getattr(config, one.name) for one in fields(config)}
    return {
        name: value
        for name, value in values.items()
        if name not in NO_SETTINGS
        and isinstance(value, str | int | float | bool)
        and not (isinstance(value, float) and math.isinf(value))
    }


def device_words(device: str) -> str:
    """Device of a run as a card names it: the accelerator's name, or the CPU's vector width."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU with {torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores"


def write_about(parts: Sequence[Part], folder: Path) -> None:
    """Write ``about.json``; the file is replaced whole."""
    new = folder / f"{ABOUT}.new"
    new.write_text(About(parts=tuple(parts)).model_dump_json(indent=1) + "\n", encoding="utf-8")
    new.replace(folder / ABOUT)


def read_about(folder: Path, state: Mapping[str, Any]) -> About:
    """Record of a run; of a run of an earlier version, that nothing was recorded.

    Parameters
    ----------
    state
        Content of ``state.json``: ``step`` and ``seconds``.
    """
    try:
        content = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return About(parts=(unrecorded(state["step"], state["seconds"]),))
    return About.model_validate(content)
