"""Predictions of the trained networks of study 4, and mean HU for the baseline."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy import ndimage
from torch import nn

from pipelines.contract.anatomy import Level
from pipelines.secondary.chest.network_input import SEGMENTATION_SIDE, roi_input, windowed
from pipelines.space.masks import largest_part
from training.loop.checkpoint import STATE, WEIGHTS
from training.study4.examples import LEVELS, SIDE, ChestSubject
from training.study4.train import Task, build

Mask = NDArray[np.bool_]
Values = NDArray[np.float64]
BATCH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One slice with its outline.

    Parameters
    ----------
    hu, mask, truth : (128, 128)
        Pixels, area by the network, true area.
    """

    subject: ChestSubject
    level: Level
    hu: NDArray[np.int16]
    mask: Mask
    truth: Mask

    @property
    def dice(self) -> float:
        """Dice of both areas, 0 to 1."""
        both = float((self.mask & self.truth).sum())
        return 2 * both / float(self.mask.sum() + self.truth.sum())

    @property
    def used(self) -> Mask:
        """The measured area: that of the network, or the middle pixel if it is empty."""
        if self.mask.any():
            return self.mask
        middle = np.zeros_like(self.mask)
        middle[SEGMENTATION_SIDE // 2, SEGMENTATION_SIDE // 2] = True
        return middle

    @property
    def mean_hu(self) -> float:
        """Mean attenuation of the measured area."""
        return float(self.hu[self.used].mean())


def load_network(run: Path, device: str = "cpu") -> nn.Module:
    """Load the network of a training run."""
    notes = json.loads((run / STATE).read_text(encoding="utf-8"))["notes"]
    task: Task = notes["task"]
    network = build(task, notes["variant"])
    network.load_state_dict(load_file(run / WEIGHTS))
    return network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def outline_all(
    subjects: Sequence[ChestSubject], network: nn.Module, device: str = "cpu"
) -> list[Region]:
    """Outline both slices of all subjects: largest part of the area, with holes filled.

    The network runs in single precision as in the product, so masks are the same on every processor.
    """
    border = (SIDE - SEGMENTATION_SIDE) // 2
    middle = (slice(border, border + SEGMENTATION_SIDE),) * 2
    pairs = [(one, level) for one in subjects for level in LEVELS]
    regions = []
    for start in range(0, len(pairs), BATCH):
        part = pairs[start : start + BATCH]
        hu = [one.hu(level)[middle] for one, level in part]
        image = torch.from_numpy(np.stack([windowed(one)[None] for one in hu]))
        with torch.inference_mode():
            likely = (network(image.to(device)) > 0).cpu().numpy()[:, 0]
        regions += [
            Region(
                subject=one,
                level=level,
                hu=pixels,
                mask=np.asarray(ndimage.binary_fill_holes(largest_part(mask)), bool),
                truth=one.core(level)[middle],
            )
            for (one, level), pixels, mask in zip(part, hu, likely, strict=True)
        ]
    return regions


def mean_dice(regions: Sequence[Region]) -> float:
    """Mean Dice over slices."""
    return float(np.mean([one.dice for one in regions]))


def classify_all(
    regions: Sequence[Region], network: nn.Module, task: Task, device: str = "cpu"
) -> Values:
    """Run one classifier; (subjects, 3) probabilities.

    Parameters
    ----------
    regions
        L1 and L2 of each subject in turn, as `outline_all` returns them.
    """
    step, used = len(LEVELS), len(LEVELS) if task == "fusion" else 1
    images = [
        np.stack([roi_input(one.hu, one.used) for one in regions[first : first + used]])
        for first in range(0, len(regions), step)
    ]
    outputs = []
    with torch.inference_mode():
        for start in range(0, len(images), BATCH):
            batch = torch.from_numpy(np.stack(images[start : start + BATCH]))
            outputs.append(torch.softmax(network(batch.to(device)).double(), dim=1).cpu())
    return np.asarray(torch.cat(outputs))


def true_mean_hu(subjects: Sequence[ChestSubject], levels: int) -> Values:
    """Mean HU in the true areas over the first ``levels`` levels of each subject, (subjects,)."""
    return np.array(
        [
            np.mean([one.hu(level)[one.core(level)].mean() for level in LEVELS[:levels]])
            for one in subjects
        ]
    )


def mean_hu(regions: Sequence[Region], levels: int) -> Values:
    """Mean HU in the measured areas over the first ``levels`` levels of each subject, (subjects,)."""
    values = np.array([one.mean_hu for one in regions]).reshape(-1, len(LEVELS))
    return np.asarray(values[:, :levels].mean(axis=1))
