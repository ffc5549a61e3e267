"""Run the spine network: probabilities from an array. Whole volume, then tiles, then the CPU."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from numpy.typing import NDArray
from torch.nn import functional

from models.registry import network
from models.runtime import Forward, forward
from models.structures_1mm import FINE_HU_CENTRE, FINE_HU_RANGE, FINE_HU_SCALE
from models.structures_3mm import CENTRE_CHANNEL, HU_CENTRE, HU_RANGE, HU_SCALE

MULTIPLE = 16
TILE = (128, 96, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpineProbabilities:
    """What the network says of every voxel of its 3 mm grid.

    Parameters
    ----------
    structures : (structures, slices, rows, columns) float32
        Softmax over ``models.structures_3mm.Structure``.
    centre : (slices, rows, columns) float32
        From 0 to 1: nearness to the centre of a vertebral body.
    """

    structures: NDArray[np.float32]
    centre: NDArray[np.float32]


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
        Of the network's card.
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
    """(channels, slices, rows, columns) of a 3 mm network; air is added for sizes it can halve."""
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
    scaled = (np.clip(hu, *FINE_HU_RANGE) - FINE_HU_CENTRE) / FINE_HU_SCALE
    image = torch.from_numpy(scaled.astype(np.float32))[None, None]
    with torch.inference_mode():
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
    with torch.inference_mode():
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
    with torch.inference_mode():
        logits = network(name, device)(torch.from_numpy(image)[None].to(device))
        return torch.softmax(logits.double(), dim=1)[0].cpu().numpy()


def mirror_mean(run: Forward, images: torch.Tensor) -> torch.Tensor:
    """Mean of what ``run`` says of images and of their mirror images, left and right exchanged."""
    return (run(images) + run(images.flip(-1))) / 2


def _placed(image: torch.Tensor, device: str) -> torch.Tensor:
    return image.to(device).contiguous(memory_format=torch.channels_last_3d)


def _ladder(name: str, image: torch.Tensor, device: str) -> torch.Tensor:
    """Whole volume; tiles when memory runs out; the CPU when tiles do not fit either."""
    image = image.contiguous(memory_format=torch.channels_last_3d)

    def whole(place: str) -> torch.Tensor:
        return forward(name, place)(image.to(place))

    def tiled(place: str) -> torch.Tensor:
        run: Forward = forward(name, place)
        output = sliding_window_inference(image, TILE, 1, run, 0.25, sw_device=place)
        assert isinstance(output, torch.Tensor)
        return output

    steps: list[tuple[Callable[[str], torch.Tensor], str]] = [(whole, device), (tiled, device)]
    if device != "cpu":
        steps.append((tiled, "cpu"))
    with torch.inference_mode():
        for run, place in steps[:-1]:
            try:
                return run(place).float().cpu()
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
        run, place = steps[-1]
        return run(place).float().cpu()
