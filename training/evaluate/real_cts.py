"""Measure how well bones are found, named and outlined in real CTs that no training used."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.contract.anatomy import MEASURED_LEVELS, Level
from pipelines.locate.localize import Localization, LocatedBody, localize
from pipelines.outline.bodies_3mm import segment_structure
from pipelines.outline.vertebrae_1mm import segment_vertebrae, whole_vertebra
from pipelines.read.volume import CtVolume, Segmentation, read_volume
from pipelines.space.coordinates import Geometry, to_lps
from training.cohort.scan.as_ct_volume import volume
from training.evaluate.outlines import real_rows
from training.loop.measured import Row, dice, given_labels

REFERENCE_LEVELS = {
    19: Level.T12,
    20: Level.L1,
    21: Level.L2,
    22: Level.L3,
    23: Level.L4,
    24: Level.L5,
}
"""Body labels of ``abdomen_pelvis_3mm_vertebral_bodies`` (checked against its organ labels)."""

WHOLE = {32: Level.T12, 31: Level.L1, 30: Level.L2, 29: Level.L3, 28: Level.L4, 27: Level.L5}
"""Labels of whole vertebrae in ``abdomen_pelvis_3mm_organs``."""

HEIGHTS_LPS_MM: dict[str, dict[Level, float]] = {
    "abdomen_pelvis_3mm": {
        Level.L1: 385,
        Level.L2: 351,
        Level.L3: 316,
        Level.L4: 280,
        Level.L5: 245,
    },
    "colonography_1p5mm": {
        Level.L1: -195,
        Level.L2: -229,
        Level.L3: -262,
        Level.L4: -297,
        Level.L5: -333,
    },
    "torso_2p5mm": {
        Level.L1: 349,
        Level.L2: 319,
        Level.L3: 287,
        Level.L4: 254,
        Level.L5: 219,
    },
}
"""Height (patient z) of the middle of each body. The levels were counted from the sacrum on sagittal
pictures. They agree with the last rib, whose heads were found in axial slabs (torso 384 to 370,
colonography -156 to -175). The names of the first CT are those of its labels. The heights come from
this program, so they test names, not positions."""

RIB_HEIGHTS_LPS_MM: dict[str, dict[Level, float]] = {
    "abdomen_3mm_contrast": {Level.T11: -174, Level.T12: -200, Level.L1: -227, Level.L2: -256},
    "abdomen_5mm_dicom": {Level.T12: -235, Level.L1: -269, Level.L2: -305, Level.L3: -341},
    "chest_1p5mm": {Level.T10: -613, Level.T11: -638, Level.T12: -662},
}
"""The same for CTs without a sacrum; the levels were counted from the ribs in every slice.

abdomen_3mm_contrast
    The heads of the lowest ribs are at -204 to -212, at the pedicles of the body with end plates at
    -218 and -192. The body below has processes without ribs at -230 to -236; ribs pass beside it.
    There are twelve pairs up to the first rib, which bends forward at +22 to +34. Discs are ossified,
    and this program separates the bodies 6 mm too high. (Erratum: an earlier count assigned passing
    ribs to a body and was one level off.)
abdomen_5mm_dicom
    The last long rib belongs to the body at -200. The body at -235 has stumps of 1 to 2 cm, separated
    from it by joints, and the facets change from frontal to sagittal below it. It is counted as T12
    with rudimentary ribs. Neither sacrum nor first rib is in the scan, so this count is likely but
    not certain.
chest_1p5mm
    First rib at the body at -431, ribs of 5 cm and more at the lowest body: T1 to T12."""
SAME_BODY_MM = 12.0
"""Tolerance below half the distance of two lumbar bodies, so a shift by one level is wrong."""
LOWEST_WITHOUT_SACRUM = Level.L3

STRUCTURES: dict[str, tuple[str, tuple[tuple[str, str, tuple[int, ...], str], ...]]] = {
    "abdomen_pelvis_3mm": (
        "abdomen_pelvis_3mm_organs",
        (
            ("sacrum", "sacrum", (25, 26), "0.88"),
            ("femora, coarse", "femur", (75, 76), "0.88"),
            ("femur right, coarse", "femur", (76,), "0.88"),
            ("femur left, which holds metal, coarse", "femur", (75,), "0.88"),
        ),
    ),
    "colonography_1p5mm": (
        "colonography_1p5mm_bones",
        (("sacrum", "sacrum", (1,), "0.85"), ("femora, coarse", "femur", (4, 5), "0.85")),
    ),
    "torso_2p5mm": ("torso_2p5mm_organs", (("femora, coarse", "femur", (1, 2), "0.85"),)),
}
"""Labels of other programs: file, and name, map, label values and goal of each structure. In the
first file S1 is separate from the sacrum. The 3 mm network finds femora roughly; other rows measure
the 1 mm femora."""

SLAB_ORGANS = {30: Level.L2, 31: Level.L1, 32: Level.T12, 33: Level.T11}
"""Labels of ``abdomen_slab_3mm_organs``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One CT with its localization and segmentation."""

    name: str
    ct: CtVolume
    found: Localization
    bodies: Segmentation
    seconds: float


def read_nifti(path: Path) -> CtVolume:
    """Read a NIfTI in HU as a volume without DICOM header; converts RAS to LPS."""
    image = nib.Nifti1Image.from_filename(path)
    hu = np.ascontiguousarray(np.asarray(image.dataobj), np.float32)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
    return volume(hu, affine)


def read_named(data: Path, name: str) -> CtVolume:
    """Read a CT of the data folder: a NIfTI file or a folder of DICOM files."""
    folder = data / "ct" / name
    if folder.is_dir():
        return read_volume(sorted(folder.iterdir()))
    return read_nifti(data / "ct" / f"{name}.nii.gz")


def run(name: str, read: Callable[[], CtVolume]) -> Case:
    """Localize and segment one CT."""
    ct = read()
    start = time.perf_counter()
    found = localize(ct)
    bodies = segment_vertebrae(ct, found)
    return Case(name=name, ct=ct, found=found, bodies=bodies, seconds=time.perf_counter() - start)


def cases(data: Path) -> Iterator[Case]:
    """Localize and segment all real CTs of the data folder."""
    ct = data / "ct"
    for path in sorted(ct.glob("*.nii.gz")):
        name = path.name.removesuffix(".nii.gz")
        if not any(
            word in name for word in ("organs", "bodies", "bones", "t12", "regions", "vertebrae")
        ):
            yield run(name, partial(read_named, data, name))
    for folder in sorted(ct.glob("*_dicom")):
        yield run(folder.name, partial(read_named, data, folder.name))


def evaluate(case: Case, data: Path) -> list[Row]:
    """Return all rows that this CT has reference data for."""
    rows = [Row(on=case.name, what="seconds", value=round(case.seconds, 2), goal="", n=1)]
    if case.name == "abdomen_pelvis_3mm":
        rows += _against_bodies(case, data)
        rows += _against_vertebrae(case, data)
    if case.name == "l3_crop_ct":
        rows += _against_l3(case, data)
    if case.name in HEIGHTS_LPS_MM:
        rows += _against_heights(case)
    agreements = [v.agreement for v in case.found.vertebrae if v.level in MEASURED_LEVELS]
    if agreements:
        what, value = "least agreement of two passes, L1-L4", round(min(agreements), 3)
        rows.append(Row(on=case.name, what=what, value=value, goal="0.8", n=len(agreements)))
    if case.name in RIB_HEIGHTS_LPS_MM:
        expected = RIB_HEIGHTS_LPS_MM[case.name]
        value = rightly_named(case.found, expected)
        what = "levels rightly named, by place, counted from the ribs"
        rows.append(
            Row(on=case.name, what=what, value=value, goal=str(len(expected)), n=len(expected))
        )
    if case.name in STRUCTURES:
        rows += _against_structures(case, data)
    if case.name == "abdomen_slab_3mm":
        rows += _against_slab_organs(case, data)
    if case.name in {"pet_ct_slab_dicom", "thorax_crop_cta_1p5mm"}:
        lumbar = sum(v.level.is_lumbar for v in case.found.vertebrae)
        rows.append(Row(on=case.name, what="bodies called lumbar", value=lumbar, goal="0", n=1))
    if case.name == "thorax_crop_cta_1p5mm":
        rows.append(_against_t12(case, data))
    rows += real_rows(case.name, case.ct, case.found, data)
    return rows


def _against_bodies(case: Case, data: Path) -> list[Row]:
    reference = given_labels(data, "abdomen_pelvis_3mm_vertebral_bodies")
    rows, distances, scores = [], [], []
    for value, level in REFERENCE_LEVELS.items():
        mine, theirs = case.bodies.labels == level, reference == value
        score = dice(mine, theirs)
        rows.append(
            Row(on=case.name, what=f"Dice body {level.name}", value=score, goal="0.88", n=1)
        )
        if level in (Level.L1, Level.L2, Level.L3, Level.L4):
            scores.append(score)
            distances.append(_apart_mm(case, mine, theirs))
    rows.append(
        Row(
            on=case.name,
            what="largest centroid distance L1-L4, mm",
            value=round(max(distances), 2),
            goal="6",
            n=4,
        )
    )
    mean = round(float(np.mean(scores)), 4)
    rows.append(Row(on=case.name, what="mean Dice body L1-L4", value=mean, goal="0.88", n=4))
    return rows


def _against_vertebrae(case: Case, data: Path) -> list[Row]:
    """Dice of whole vertebrae with arch and processes."""
    reference = given_labels(data, "abdomen_pelvis_3mm_organs")
    by_level = {vertebra.level: vertebra for vertebra in case.found.vertebrae}
    rows = []
    for value, level in WHOLE.items():
        theirs, found = reference == value, by_level.get(level)
        score = 0.0 if found is None else _whole_dice(case, found, theirs)
        rows.append(
            Row(on=case.name, what=f"Dice whole {level.name}", value=score, goal="0.88", n=1)
        )
    return rows


def _against_t12(case: Case, data: Path) -> Row:
    """Dice of a whole T12 between its ribs."""
    best = _best_whole(case, case.found.bodies, given_labels(data, f"{case.name}_t12") > 0)
    return Row(on=case.name, what="Dice whole T12, any name", value=best, goal="", n=1)


def _against_heights(case: Case) -> list[Row]:
    """Names by position, in the whole scan and in the scan without the part below L3.

    The second measures naming by ribs alone, as in most chest and upper abdominal scans.
    """
    expected = HEIGHTS_LPS_MM[case.name]
    rest = {level: z for level, z in expected.items() if level <= LOWEST_WITHOUT_SACRUM}
    middle = (expected[LOWEST_WITHOUT_SACRUM] + expected[Level.L4]) / 2
    cropped = localize(above(case.ct, middle))
    return [
        Row(
            on=case.name,
            what="lumbar levels rightly named, by place",
            value=rightly_named(case.found, expected),
            goal=str(len(expected)),
            n=len(expected),
        ),
        Row(
            on=case.name,
            what="lumbar levels rightly named where the scan ends below L3",
            value=rightly_named(cropped, rest),
            goal=str(len(rest)),
            n=len(rest),
        ),
    ]


def rightly_named(found: Localization, heights_lps_mm: Mapping[Level, float]) -> int:
    """Count the levels that were found at the height of their middle."""
    return sum(
        vertebra.level in heights_lps_mm
        and abs(vertebra.centre_lps_mm[2] - heights_lps_mm[vertebra.level]) < SAME_BODY_MM
        for vertebra in found.vertebrae
    )


def above(ct: CtVolume, height_lps_mm: float) -> CtVolume:
    """Crop an axis-aligned CT to the part above a height."""
    affine = ct.geometry.affine
    axis = int(np.argmax(np.abs(affine[2, :3])))
    border = (height_lps_mm - affine[2, 3]) / affine[2, axis]
    count = ct.hu.shape[axis]
    if affine[2, axis] > 0:
        start, stop = max(0, int(np.ceil(border))), count
    else:
        start, stop = 0, min(count, int(np.floor(border)) + 1)
    ranges = [slice(None)] * 3
    ranges[axis] = slice(start, stop)
    hu = np.ascontiguousarray(ct.hu[tuple(ranges)])
    moved = affine.copy()
    moved[:3, 3] += affine[:3, axis] * start
    geometry = Geometry(
        affine=moved,
        shape=(hu.shape[0], hu.shape[1], hu.shape[2]),
        frame_of_reference_uid=ct.geometry.frame_of_reference_uid,
    )
    return CtVolume(hu=hu, geometry=geometry, frames=(), header=ct.header)


def _against_structures(case: Case, data: Path) -> list[Row]:
    """Dice of sacrum and both femora of the 3 mm network."""
    file, structures = STRUCTURES[case.name]
    reference = given_labels(data, file)
    rows = []
    for name, which, values, goal in structures:
        probability = getattr(case.found, f"{which}_probability")
        mine = segment_structure(case.ct, case.found.grid, probability)
        theirs = np.isin(reference, values)
        whole = {value for _, map_, all_, _ in structures if map_ == which for value in all_}
        others = np.isin(reference, list(whole.difference(values)))
        score = dice(mine & _nearer(theirs, others), theirs)
        rows.append(Row(on=case.name, what=f"Dice {name}", value=score, goal=goal, n=1))
    return rows


def _nearer(one: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mask of voxels nearer to one reference than to all others; all voxels without others."""
    if not others.any():
        return np.ones_like(one)
    far, near = (ndimage.distance_transform_edt(~mask) for mask in (others, one))
    return np.asarray(near < far)


def _against_slab_organs(case: Case, data: Path) -> list[Row]:
    """Compare names of bodies with the most frequent organ label of their voxels."""
    organs = given_labels(data, "abdomen_slab_3mm_organs")
    right = 0
    for vertebra in case.found.vertebrae:
        under = organs[(case.bodies.labels == vertebra.level) & np.isin(organs, list(SLAB_ORGANS))]
        right += (
            bool(under.size) and SLAB_ORGANS[int(np.bincount(under).argmax())] is vertebra.level
        )
    count = len(case.found.vertebrae)
    what = "bodies rightly named, of those named"
    return [Row(on=case.name, what=what, value=right, goal=str(count), n=count)]


def _against_l3(case: Case, data: Path) -> list[Row]:
    """Dice of L3 by sub-region labels: 49 is the border and 50 the inside of the body."""
    body = np.isin(given_labels(data, "l3_crop_subregions"), (49, 50))
    vertebra = given_labels(data, "l3_crop_vertebrae") == 22
    theirs = body & vertebra
    mine = case.bodies.labels
    best = max((dice(mine == value, theirs) for value in np.unique(mine) if value), default=0.0)
    complete = [one for one in case.found.bodies if one.complete]
    whole = _best_whole(case, complete, vertebra)
    return [
        Row(on=case.name, what="Dice body L3, any name", value=best, goal="0.90", n=1),
        Row(on=case.name, what="Dice whole L3, any name", value=whole, goal="0.90", n=1),
    ]


def _best_whole(case: Case, bodies: Iterable[LocatedBody], theirs: NDArray[np.bool_]) -> float:
    """Return the best Dice of a body with a label that has no name."""
    return max((_whole_dice(case, one, theirs) for one in bodies), default=0.0)


def _whole_dice(case: Case, body: LocatedBody, theirs: NDArray[np.bool_]) -> float:
    box, mask = whole_vertebra(case.ct, body, case.found)
    mine = np.zeros(case.ct.hu.shape, bool)
    mine[box] = mask
    return dice(mine, theirs)


def _apart_mm(case: Case, one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    if not one.any():
        return float("inf")
    affine = case.ct.geometry.affine
    places = [to_lps(affine, np.argwhere(mask).mean(axis=0)) for mask in (one, other)]
    return float(np.linalg.norm(places[0] - places[1]))
