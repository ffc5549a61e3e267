"""Write ``VALIDATION.md``: every comparison as a table, and pictures beside a real CT."""

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipelines.contract.anatomy import Level
from training.cohort.body.plan import plan_body
from training.cohort.check.literature import (
    Comparison,
    OnStep,
    dxa_by_age,
    hip_dxa,
    hyperostosis,
    noise,
    posterior_share,
    tissues,
    trabecular_by_age,
    tube_voltage,
)
from training.cohort.dxa.hip import scan_hip
from training.cohort.dxa.report import write_picture
from training.cohort.dxa.spine import scan_spine
from training.cohort.people.findings import Findings, LevelFindings
from training.cohort.people.subject import draw_subject
from training.cohort.scan.scanner import Scanner
from training.cohort.scan.simulate import ExaminationPlan, simulate
from training.cohort.write.nifti import read_nifti

REAL_CT: Final = Path("ct/torso_2p5mm.nii.gz")
REAL_CT_SOURCE: Final = "TCIA CC-Tumor-Heterogeneity, CC BY"
REAL_AXIAL, REAL_SAGITTAL = 0.5, 0.5
REAL_TABLE: Final = slice(0, 250)
"""Rows above the table of the real CT."""
SLICES_PICTURE, DXA_PICTURE = "cohort_slices.png", "cohort_dxa.png"
WINDOW_HU: Final = (-160.0, 340.0)
HEIGHT_PX: Final = 340
BODY_HU: Final = -350.0
LINE: Final = 120
"""Maximum length of a line of prose on the page."""
REAL_PART: Final = (0.2, 0.62)
"""Part of the real CT in the sagittal picture, from below: sacrum to lower chest."""

INTRODUCTION: Final = """\
# Does the virtual cohort look and measure like patients?

Written by `python -m training.cohort validate --data ../shared/data`; do not edit. Every number
was computed in that run. "no" in the last column is a mismatch. It is not corrected; the text below
the table explains it if the reason is known. Nothing here is a measurement of a patient.
"""


def write_validation(
    data: Path, out: Path, pictures: Path, per_decade: int, on_step: OnStep
) -> int:
    """Compute all comparisons and draw all pictures.

    Parameters
    ----------
    data
        Folder with the real CT.
    pictures
        Folder for the PNG files.
    per_decade
        Patients scanned by DXA in each decade and sex.

    Returns
    -------
    int
        Number of rows outside their published range.
    """
    comparisons = [
        tissues(),
        trabecular_by_age(),
        tube_voltage(),
        noise(on_step),
        dxa_by_age(per_decade, on_step),
        hip_dxa(on_step),
        posterior_share(on_step),
        hyperostosis(on_step),
    ]
    pictures.mkdir(parents=True, exist_ok=True)
    on_step("pictures")
    draw_slices(data, pictures / SLICES_PICTURE)
    draw_dxa(pictures / DXA_PICTURE)
    text = "\n".join([INTRODUCTION, _summary(comparisons), *map(_section, comparisons)])
    text += _pictures(out, pictures)
    out.write_text(text, encoding="utf-8")
    return sum(not row.agrees for one in comparisons for row in one.rows)


def _summary(comparisons: Sequence[Comparison]) -> str:
    rows = [(one, row) for one in comparisons for row in one.rows]
    off = [(one, row) for one, row in rows if not row.agrees]
    lines = [f"{len(rows) - len(off)} of {len(rows)} values lie in their published range."]
    if off:
        lines.append("\n**What does not match:**\n")
        for one in comparisons:
            mine = [row.what for other, row in off if other is one]
            if mine:
                lines.append(f"* {one.title}: {', '.join(mine)}.")
    return "\n".join(lines) + "\n"


def _section(one: Comparison) -> str:
    def number(value: float) -> str:
        return f"{value:.{one.decimals}f}"

    lines = [f"## {one.title}", "", f"| | published | cohort, {one.unit} | agrees |"]
    lines.append("|---|---|---|---|")
    for row in one.rows:
        published = f"{number(row.low)} to {number(row.high)}"
        agrees = "yes" if row.agrees else "**no**"
        lines.append(f"| {row.what} | {published} | {number(row.found)} | {agrees} |")
    lines += ["", _wrapped(f"Source: {one.source}.")]
    if one.remark:
        lines += ["", _wrapped(one.remark)]
    return "\n".join(lines) + "\n"


def _wrapped(text: str) -> str:
    """Wrap prose into lines of at most ``LINE`` characters."""
    return textwrap.fill(text, LINE, break_long_words=False, break_on_hyphens=False)


def _pictures(out: Path, pictures: Path) -> str:
    folder = Path(*[".."] * len(out.resolve().parent.relative_to(Path.cwd()).parts)) / pictures
    return f"""
## Pictures

Left simulated, right a real CT ({REAL_CT_SOURCE}); window {WINDOW_HU[0]:.0f} to {WINDOW_HU[1]:.0f} HU.

![Simulated and real slices]({(folder / SLICES_PICTURE).as_posix()})

Lumbar spine and hip of a simulated woman of 65 years by simulated DXA; on the right the same
woman with bridging osteophytes and aortic plaques. Regions of interest in blue.

![Simulated DXA]({(folder / DXA_PICTURE).as_posix()})
"""


def draw_slices(data: Path, file: Path) -> None:
    """Draw an axial slice through L3 and a sagittal one through the spine, beside a real CT."""
    subject = draw_subject(1)
    plan = ExaminationPlan(
        subject=subject, scanner=Scanner(slice_thickness_mm=2.5), size=320, field_of_view_mm=420.0
    )
    image = simulate(plan).image
    place = np.append(plan_body(subject).vertebra(Level.L3).centre_lps_mm, 1.0)
    s, _, c = np.rint(np.linalg.inv(image.affine_lps) @ place)[:3].astype(int)
    real = read_nifti(data / REAL_CT)
    rs, rc = round(REAL_AXIAL * len(real.hu)), round(REAL_SAGITTAL * real.hu.shape[2])
    lowest, highest = (round(share * len(real.hu)) for share in REAL_PART)
    panels = [
        _grey(image.hu[s], image.affine_lps[:3, :3], (1, 2)),
        _grey(image.hu[::-1, :, c], image.affine_lps[:3, :3], (0, 1)),
        _grey(real.hu[rs, REAL_TABLE], real.affine_lps[:3, :3], (1, 2)),
        _grey(
            real.hu[lowest:highest][::-1, REAL_TABLE, rc],
            real.affine_lps[:3, :3],
            (0, 1),
        ),
    ]
    Image.fromarray(np.concatenate(panels, axis=1)).save(file, optimize=True)


def _grey(
    plane: NDArray[Any], steps: NDArray[np.float64], axes: tuple[int, int]
) -> NDArray[np.uint8]:
    """Windowed plane with square pixels, cropped to the patient, ``HEIGHT_PX`` high."""
    inside = plane > BODY_HU
    rows_in, columns_in = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    plane = plane[rows_in[0] : rows_in[-1] + 1, columns_in[0] : columns_in[-1] + 1]
    low, high = WINDOW_HU
    grey = (np.clip((plane - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    rows, columns = (float(np.linalg.norm(steps[:, axis])) for axis in axes)
    width = round(HEIGHT_PX * plane.shape[1] * columns / (plane.shape[0] * rows))
    return np.asarray(Image.fromarray(grey).resize((width, HEIGHT_PX), Image.Resampling.BILINEAR))


def draw_dxa(file: Path) -> None:
    """Draw DXA scans of a woman, and of the same woman with hyperostosis."""
    woman = draw_subject(3, sex="F", age_years=65)
    levels = dict.fromkeys(
        (Level.T12, Level.L1, Level.L2, Level.L3, Level.L4),
        LevelFindings(kellgren_lawrence=4, osteophyte_mm=10.0, bridging=True),
    )
    plaques = dict.fromkeys((Level.L1, Level.L2, Level.L3, Level.L4), 600.0)
    other = replace(woman, findings=Findings(levels=levels, plaque_mm3=plaques))
    write_picture([scan_spine(woman), scan_hip(woman), scan_spine(other)], file)
