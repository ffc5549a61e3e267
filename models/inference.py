"""Run a network of the registry: from an array to probabilities.

The 3 mm networks run on the whole volume; without enough memory on tiles, then on tiles on the CPU.
Every function raises `models.errors.OutOfMemory` where no memory is left.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from numpy.typing import NDArray
from torch.nn import functional

from models.errors import OutOfMemory
from models.memory import lack_of_memory_raised
from models.registry import network
from models.runtime import forward
from models.structures_1mm import FINE_HU_CENTRE, FINE_HU_RANGE, FINE_HU_SCALE
from models.structures_3mm import CENTRE_CHANNEL, FEMORA, HU_CENTRE, HU_RANGE, HU_SCALE

LOGGER = logging.getLogger(__name__)
MULTIPLE = 16
"""Sides of the input are multiples of 16: a 3 mm network halves them four times."""
TILE = (128, 96, 128)

Image = TypeVar("Image", torch.Tensor, NDArray[np.float32])
Output = TypeVar("Output")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpineProbabilities:
    """Output of the spine network for every voxel of its 3 mm grid.

    Parameters
    ----------
    structures : (structures, slices, rows, columns) float32
        Softmax over ``models.structures_3mm.Structure``.
    centre : (slices, rows, columns) float32
        From 0 to 1: nearness to the centre of a vertebral body.
    """

    structures: NDArray[np.float32]
    centre: NDArray[np.float32]

    def turned_back(self) -> "SpineProbabilities":
        """Map the probabilities of a mirror image back to the image; left and right femora swap."""
        structures = exchanged(self.structures)
        structures[list(FEMORA)] = structures[list(FEMORA[::-1])]
        return SpineProbabilities(structures=structures, centre=exchanged(self.centre))


def default_device() -> str:
    """``cuda`` where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def spine_probabilities(
    name: str, hu: NDArray[np.float32], device: str = "cpu"
) -> SpineProbabilities:
    """Probabilities on a 3 mm grid.

    Parameters
    ----------
    name
        Name on the model card.
    hu : (slices, rows, columns) float32, HU
        Axes up, posterior, left; 3 mm.
    """
    logits = _coarse_logits(name, hu, device)
    return SpineProbabilities(
        structures=functional.softmax(logits[:CENTRE_CHANNEL], dim=0).numpy(),
        centre=torch.sigmoid(logits[CENTRE_CHANNEL]).numpy(),
    )


def hip_probabilities(
    name: str, hu: NDArray[np.float32], device: str = "cpu"
) -> NDArray[np.float32]:
    """Softmax of the hip network on a 3 mm grid.

    Parameters
    ----------
    hu : (slices, rows, columns) float32, HU
        Axes up, posterior, left; 3 mm.

    Returns
    -------
    (parts, slices, rows, columns) float32
        Of ``models.structures_3mm.HipStructure``.
    """
    return functional.softmax(_coarse_logits(name, hu, device), dim=0).numpy()


def _coarse_logits(name: str, hu: NDArray[np.float32], device: str) -> torch.Tensor:
    """(channels, slices, rows, columns) of a 3 mm network; the input is padded with air to multiples of 16."""
    scaled = (np.clip(hu, *HU_RANGE) - HU_CENTRE) / HU_SCALE
    lowest = (HU_RANGE[0] - HU_CENTRE) / HU_SCALE
    padding = [(0, -size % MULTIPLE) for size in hu.shape]
    padded = np.pad(scaled.astype(np.float32), padding, constant_values=lowest)
    logits = _ladder(name, torch.from_numpy(padded)[None, None], device)[0]
    return logits[:, : hu.shape[0], : hu.shape[1], : hu.shape[2]]


def fine_probabilities(
    name: str, hu: NDArray[np.float32], device: str = "cpu"
) -> NDArray[np.float32]:
    """Softmax of a 1 mm network on one crop.

    Parameters
    ----------
    hu : (slices, rows, columns) float32, HU
        Of the shape that the network was trained on.

    Returns
    -------
    (parts, slices, rows, columns) float32
    """
    with lack_of_memory_raised(f"{name} on {device}"), torch.inference_mode():
        scaled = (np.clip(hu, *FINE_HU_RANGE) - FINE_HU_CENTRE) / FINE_HU_SCALE
        image = torch.from_numpy(scaled.astype(np.float32))[None, None]
        logits = forward(name, device)(_placed(image, device))[0]
        return functional.softmax(logits.float(), dim=0).cpu().numpy()


def slice_probability(
    name: str, image: NDArray[np.float32], device: str = "cpu"
) -> NDArray[np.float32]:
    """Sigmoid of a network of study 4 that outlines one axial slice.

    Parameters
    ----------
    image : (rows, columns) float32, 0 to 1
        Sides are multiples of 64.

    Returns
    -------
    (rows, columns) float32
    """
    with lack_of_memory_raised(f"{name} on {device}"), torch.inference_mode():
        logits = network(name, device)(torch.from_numpy(image)[None, None].to(device))
        return torch.sigmoid(logits.float())[0, 0].cpu().numpy()


def class_probabilities(
    name: str, image: NDArray[np.float32], device: str = "cpu"
) -> NDArray[np.float64]:
    """Softmax of a classifier of study 4.

    Parameters
    ----------
    image : (levels, rows, columns) float32, 0 to 1

    Returns
    -------
    (3,) float64
        Normal, osteopenia, osteoporosis.
    """
    with lack_of_memory_raised(f"{name} on {device}"), torch.inference_mode():
        logits = network(name, device)(torch.from_numpy(image)[None].to(device))
        return torch.softmax(logits.double(), dim=1)[0].cpu().numpy()


def mirror_passes(run: Callable[[Image], Output], image: Image) -> tuple[Output, Output]:
    """Run on an image and on its mirror image, left and right exchanged.

    Parameters
    ----------
    image : (..., columns)
        Columns run along left and right.

    Returns
    -------
    of the image, of the mirror image
        The second is not flipped back; `exchanged` does that for maps.
    """
    with lack_of_memory_raised("an image and its mirror image"):
        return run(image), run(exchanged(image))


def mirror_mean(run: Callable[[Image], Image], image: Image, *, maps: bool = True) -> Image:
    """Mean over an image and its mirror image.

    Parameters
    ----------
    maps
        Whether the output has the columns of the image; the mirrored one is then flipped back.
    """
    plain, mirrored = mirror_passes(run, image)
    mean = plain + (exchanged(mirrored) if maps else mirrored)
    mean /= 2
    return mean


def exchanged(image: Image) -> Image:
    """Left and right exchanged: the last axis in reverse order."""
    if isinstance(image, torch.Tensor):
        return image.flip(-1)
    return np.ascontiguousarray(image[..., ::-1])


def _placed(image: torch.Tensor, device: str) -> torch.Tensor:
    return image.to(device).contiguous(memory_format=torch.channels_last_3d)


def _ladder(name: str, image: torch.Tensor, device: str) -> torch.Tensor:
    """Run on the whole volume; without enough memory on tiles, then on tiles on the CPU.

    Raises
    ------
    OutOfMemory
        No step fits.
    """
    image = image.contiguous(memory_format=torch.channels_last_3d)
    steps = [(_whole, device), (_tiled, device)]
    if device != "cpu":
        steps.append((_tiled, "cpu"))
    failures = []
    for run, place in steps:
        try:
            with lack_of_memory_raised(f"{name} on {place}"), torch.inference_mode():
                return run(name, image, place).float().cpu()
        except OutOfMemory as error:
            LOGGER.warning("memory_step_failed: %s", error)
            failures.append(error.found)
        # Only here: until the except clause ends, its traceback holds tensors of the failed step.
        if place != "cpu":
            torch.cuda.empty_cache()
    raise OutOfMemory("; then ".join(failures), "more free memory", "run fewer workers at once")


def _whole(name: str, image: torch.Tensor, device: str) -> torch.Tensor:
    return forward(name, device)(image.to(device))


def _tiled(name: str, image: torch.Tensor, device: str) -> torch.Tensor:
    output = sliding_window_inference(image, TILE, 1, forward(name, device), 0.25, sw_device=device)
    assert isinstance(output, torch.Tensor)
    return output
