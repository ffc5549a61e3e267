"""Compare the HU on the outline of a femur with the HU at the true edge of the bone.

    python -m training.evaluate.borders --data ../shared/data

A scanner blurs the edge of bone. The true edge is where the attenuation is half way between cortex
and surroundings. Two outlines may differ by one voxel all around, which lowers the Dice coefficient
of a femur by 0.1. This measurement shows which outline is off the edge.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.locate.localize import localize
from pipelines.outline.proximal_femur import ProximalFemur, segment_femora
from training.evaluate.outlines import REAL_FEMORA, proximal_part
from training.evaluate.real_cts import read_named
from training.loop.measured import Row, given_labels

CORTEX_MM: Final = 4.0
"""The cortex is the highest HU within this distance of the outline."""
SURROUNDINGS_MM: Final = (4.0, 6.0)


def border_hu(hu: NDArray[np.float32], mask: NDArray[np.bool_], up: int) -> float:
    """Attenuation on the outline of a bone: median over the faces between its voxels and others.

    Parameters
    ----------
    hu, mask : three axes, same shape
    up
        Axis along the patient; its faces are excluded because a bone may be cut there.
    """
    faces = []
    for axis in {0, 1, 2} - {up}:
        one, other = (np.moveaxis(mask, axis, 0)[part] for part in (slice(1, None), slice(-1)))
        levels = np.moveaxis(hu, axis, 0)
        faces.append(((levels[1:] + levels[:-1]) / 2)[one != other])
    return float(np.median(np.concatenate(faces)))


def half_height_hu(
    hu: NDArray[np.float32], mask: NDArray[np.bool_], spacing_mm: NDArray[np.float64]
) -> float:
    """HU half way between cortex and surroundings, at the true edge of the bone."""
    reach = np.ceil(CORTEX_MM / spacing_mm).astype(int)
    steps = np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij")
    ball = sum((step * mm) ** 2 for step, mm in zip(steps, spacing_mm, strict=True)) <= CORTEX_MM**2
    surface = mask & ~ndimage.binary_erosion(mask)
    cortex = np.median(ndimage.maximum_filter(hu, footprint=ball)[surface])
    far = ndimage.distance_transform_edt(~mask, sampling=spacing_mm)
    around = np.median(hu[(far > SURROUNDINGS_MM[0]) & (far < SURROUNDINGS_MM[1])])
    return float((cortex + around) / 2)


def border_rows(data: Path) -> Iterator[Row]:
    """Yield the rows of every proximal femur that the node outlines and that has a label."""
    for name, (file, *labels) in REAL_FEMORA.items():
        ct = read_named(data, name)
        reference = given_labels(data, file)
        up = int(np.argmax(np.abs(ct.geometry.affine[2, :3])))
        for found, label in zip(segment_femora(ct, localize(ct)), labels, strict=True):
            if not isinstance(found, ProximalFemur):
                continue
            room = np.ceil(2 * SURROUNDINGS_MM[1] / ct.geometry.spacing_mm).astype(int)
            box = tuple(
                slice(max(0, part.start - more), part.stop + more)
                for part, more in zip(found.box, room, strict=True)
            )
            mine = np.zeros(ct.hu.shape, bool)
            mine[found.box] = found.mask
            theirs = proximal_part(reference == label, ct.geometry, found.side)
            hu, one, other = (np.asarray(values[box]) for values in (ct.hu, mine, theirs))
            half = half_height_hu(hu.astype(np.float32), one, ct.geometry.spacing_mm)
            for what, value in (
                ("on our outline", border_hu(hu, one, up)),
                ("on the given outline", border_hu(hu, other, up)),
                ("half way between cortex and surroundings", half),
            ):
                figure = f"HU of the femur {found.side}, {what}"
                yield Row(on=name, what=figure, value=round(value, 1), goal="", n=1)


def main() -> None:
    """Print the rows of all femora."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    print(json.dumps([asdict(row) for row in border_rows(parser.parse_args().data)], indent=1))


if __name__ == "__main__":
    main()
