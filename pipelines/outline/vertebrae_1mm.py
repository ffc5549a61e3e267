"""Outline every named vertebral body again, at 1 mm along the axes of the vertebra.

Takes  CtVolume, Localization
Gives  Segmentation
Next   pipelines.lumbar.measure

The network gets one vertebra at a time, upright and centred, and separates its body (shell and
trabecular core) from its posterior elements and from its neighbours. A level keeps its 3 mm outline
where the 1 mm outline disagrees with it: two networks at different scales rarely make the same error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.inference import default_device, fine_probabilities, mirror_mean
from models.structures_1mm import FINE_SPACING_MM, VERTEBRA_CROP, VertebraStructure
from pipelines.contract.anatomy import Level
from pipelines.locate.localize import Localization, LocatedBody, LocatedVertebra
from pipelines.outline.bodies_3mm import FIRST_UNNAMED, interpolated, segment_bodies
from pipelines.read.oriented_crop import OrientedGrid, box_of, crop, on_ct
from pipelines.read.volume import CtVolume, Segmentation
from pipelines.space.coordinates import Box
from pipelines.space.masks import largest_part

VERTEBRA_MODEL: Final = "vertebra_1mm"
CROP_OFFSET_MM: Final = (0.0, 4.0, 0.0)
"""From the centre of the body to the middle of the crop: up, posterior, left."""
WHOLE_SHAPE: Final = (64, 112, 112)
WHOLE_OFFSET_MM: Final = (0.0, 24.0, 0.0)
"""Wider crop that includes the processes; the network is convolutional and accepts any size."""
LEAST_AGREEMENT: Final = 0.75
"""Dice of the 1 mm with the 3 mm body; below this value the 3 mm one stays."""
BODY_VOLUME_MM3: Final = (8_000.0, 90_000.0)
"""Thoracic bodies of small women to L5 of large men, with osteophytes."""
LEAST_BONE: Final = 0.01
"""Of a whole vertebra: least probability of bone of the 3 mm network; voxels below it are removed."""
LONE_BODIES: Final = 3
"""At most so many bodies without a name are outlined at 1 mm: the scan is then a crop around a vertebra."""
BODY_PARTS: Final = (VertebraStructure.BODY_SHELL, VertebraStructure.TRABECULAR_CORE)
OWN_PARTS: Final = (*BODY_PARTS, VertebraStructure.POSTERIOR_ELEMENTS)

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From HU of a crop to (parts, slices, rows, columns) probabilities of ``VertebraStructure``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FineVertebra:
    """One vertebra as outlined by the 1 mm network.

    Parameters
    ----------
    label
        Its value in the label map.
    box
        Index ranges (slices, rows, columns) in the CT.
    body, core : (slices, rows, columns) bool
        Body with its cortex; trabecular core. On ``box``.
    agreement
        Dice of ``body`` with the 3 mm body.
    """

    label: int
    box: Box
    body: NDArray[np.bool_]
    core: NDArray[np.bool_]
    agreement: float

    @property
    def is_confident(self) -> bool:
        """Whether the 1 mm outline replaces the 3 mm one; its volume was checked before."""
        return self.agreement >= LEAST_AGREEMENT


def fine_vertebra(hu: NDArray[np.float32], device: str | None = None) -> NDArray[np.float32]:
    """Parts of one vertebra by the shipped network, mean over the crop and its mirror image."""
    place = device or default_device()
    return mirror_mean(lambda image: fine_probabilities(VERTEBRA_MODEL, image, place), hu)


def vertebra_grid(
    vertebra: LocatedBody,
    shape: tuple[int, int, int] = VERTEBRA_CROP,
    offset_mm: tuple[float, float, float] = CROP_OFFSET_MM,
) -> OrientedGrid:
    """Crop around a vertebra along its own axes: up, posterior, left."""
    up = np.asarray(vertebra.up_lps, float)
    up = up / np.linalg.norm(up)
    posterior = np.cross(up, (1.0, 0.0, 0.0))
    posterior /= np.linalg.norm(posterior)
    axes = np.stack([up, posterior, np.cross(posterior, up)])
    return OrientedGrid(
        centre_lps_mm=np.asarray(vertebra.centre_lps_mm) + np.array(offset_mm) @ axes,
        axes=axes,
        shape=shape,
        spacing_mm=FINE_SPACING_MM,
    )


def refine_bodies(
    ct: CtVolume, found: Localization, coarse: Segmentation, network: Network = fine_vertebra
) -> tuple[Segmentation, dict[Level, FineVertebra]]:
    """Bodies at 1 mm where both outlines agree, else those of ``coarse``.

    Returns
    -------
    Segmentation
        Labels as those of ``coarse``.
    vertebrae
        The 1 mm outline of every level of ``coarse``, whether it agrees or not.
    """
    labels = coarse.labels.copy()
    vertebrae: dict[Level, FineVertebra] = {}
    named = [(vertebra, int(vertebra.level)) for vertebra in found.vertebrae]
    unnamed = [(body, FIRST_UNNAMED + index) for index, body in enumerate(found.unnamed)]
    for vertebra, label in named + (unnamed if len(unnamed) <= LONE_BODIES else []):
        fine = look_at(ct, vertebra, coarse, label, network)
        if fine is None:
            continue
        if isinstance(vertebra, LocatedVertebra):
            vertebrae[vertebra.level] = fine
        if fine.is_confident:
            part = labels[fine.box]
            part[part == label] = 0
            part[fine.body & (part == 0)] = label
    labels.flags.writeable = False
    return Segmentation(labels=labels, geometry=coarse.geometry), vertebrae


def segment_vertebrae(ct: CtVolume, found: Localization) -> Segmentation:
    """Vertebral bodies at 3 mm, then those of named levels and of small crops at 1 mm."""
    return refine_bodies(ct, found, segment_bodies(ct, found))[0]


def look_at(
    ct: CtVolume,
    vertebra: LocatedBody,
    coarse: Segmentation,
    label: int,
    network: Network = fine_vertebra,
) -> FineVertebra | None:
    """Outline one vertebra at 1 mm; ``None`` where its crop holds no plausible body."""
    grid = vertebra_grid(vertebra)
    box = box_of(ct.geometry, grid)
    if min(part.stop - part.start for part in box) == 0:
        return None
    parts = network(crop(ct, grid))
    body = _middle_part(on_ct(_share(parts, BODY_PARTS), grid, ct.geometry, box))
    volume = float(body.sum()) * ct.geometry.voxel_mm3
    if not BODY_VOLUME_MM3[0] <= volume <= BODY_VOLUME_MM3[1]:
        return None
    core = on_ct(parts[VertebraStructure.TRABECULAR_CORE], grid, ct.geometry, box) > 0.5
    before = coarse.labels[box] == label
    both = int(body.sum()) + int(before.sum())
    return FineVertebra(
        label=label,
        box=box,
        body=body,
        core=core & body,
        agreement=float(2 * (body & before).sum() / max(1, both)),
    )


def whole_vertebra(
    ct: CtVolume,
    vertebra: LocatedBody,
    found: Localization | None = None,
    network: Network = fine_vertebra,
) -> tuple[Box, NDArray[np.bool_]]:
    """Body, arch and processes of one vertebra.

    Parameters
    ----------
    found
        Ribs, and voxels without bone, are removed: the 1 mm network predicts processes in ribs close
        by, and in muscle at the ends of a scan.

    Returns
    -------
    box
        Index ranges (slices, rows, columns) in the CT.
    mask : (slices, rows, columns) bool
        On ``box``.
    """
    grid = vertebra_grid(vertebra, WHOLE_SHAPE, WHOLE_OFFSET_MM)
    box = box_of(ct.geometry, grid)
    if min(part.stop - part.start for part in box) == 0:
        return box, np.zeros([part.stop - part.start for part in box], bool)
    own = on_ct(_share(network(crop(ct, grid)), OWN_PARTS), grid, ct.geometry, box)
    if found is not None:
        own[interpolated(ct, found.grid, found.rib_probability, box) > 0.5] = 0
        own[interpolated(ct, found.grid, found.bone_probability, box) < LEAST_BONE] = 0
    return box, _middle_part(own)


def _share(parts: NDArray[np.float32], which: tuple[VertebraStructure, ...]) -> NDArray[np.float32]:
    return np.asarray(parts[list(which)].sum(axis=0), np.float32)


def _middle_part(probability: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Largest connected part of a mask, its holes filled."""
    return np.asarray(ndimage.binary_fill_holes(largest_part(probability > 0.5)))
