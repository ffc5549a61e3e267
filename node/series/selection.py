"""Select the series of a study to measure, with a coded reason for every other series.

Takes  SeriesRecord, Stack
Gives  Selection
Next   node.jobs.dispatch
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from node.series.completeness import Stack, stack_of
from node.series.index import LOCALIZER, SeriesRecord
from pipelines.contract.kernels import kernel_suitability
from pipelines.contract.reasons import Reason
from pipelines.contract.slice_thickness import THICKEST_MM, coarsest_mm, is_thicker

AXIAL_COSINE: Final = 0.9
"""Least cosine of the angle between slice normal and body axis: at most 26 degrees of tilt."""
FULL_COVERAGE_MM: Final = 350.0
"""Coverage with the full score: from the dome of the liver to the pelvis, with L1 to L4."""

DERIVED_WORDS: Final = (
    "DERIVED",
    "SECONDARY",
    "MPR",
    "MIP",
    "MINIP",
    "PROJECTION IMAGE",
    "CSA MPR",
    "VNC",
    "VIRTUAL",
    "MONO",
    "MONOENERGETIC",
    "IODINE",
    "MATERIAL",
    "Z_EFF",
    "SUBTRACTION",
    "REFORMATTED",
)
"""Image Type values of images whose values are not the attenuation of the original slices."""
DERIVED_DESCRIPTION: Final = re.compile(
    r"""\b(?: vnc | monoe\w* | mono\+ | \d*\s?kev | iodine | (?:thin\s?|min\s?)?mip | mpr
    | (?:o-?|i|se|smart\s?)?mar | virtual\s(?:non|unenh|mono|native)\w* )(?!\w)""",
    re.VERBOSE,
)
"""Words of such images in the Series Description. "Virtual colonoscopy" and "hemipelvis" are not."""

REGIONS: Final = (
    (
        1.0,
        re.compile(
            r"abd|lumb|l-?spine|lws|kidney|renal|urogra|liver|pancrea|entero|colon|bauch|leber"
            r"|niere|\b(?:ab|cap|tap|kub)\b|to\s(?:mid[\s-]?)?thigh"
        ),
    ),
    (0.8, re.compile("body|whole|aort|rumpf|tronc")),
    (0.6, re.compile("chest|thor|torax|lung|cardiac|heart|coronar")),
    (0.5, re.compile(r"pelv|beck|\bhip")),
    (
        0.0,
        re.compile(
            "head|brain|skull|cran|kopf|sch.del|neck|hals|sinus|face|facial|orbit|temporal|cerv"
            "|carot|hws|c-?spine|shoulder|schulter|elbow|wrist|hand|thigh|knee|knie|foot|ankle"
            "|extrem"
        ),
    ),
    (0.9, re.compile("spine|wirbel|rachis")),
)
"""Share of L1 to L4 that a region shows, by words of the header; the first match counts."""
UNKNOWN_REGION: Final = 0.7

PLAIN_WORDS: Final = re.compile(
    r"\b(?:w/?o|without|ohne)\b(?:\s(?:iv\s)?(?:con\w*|km))?|non.?(?:con|enh)\w*|unenh\w*"
    r"|\bnativ\w*|\bplain\b|\bc-(?!spine|arm)"
)
CONTRAST_WORDS: Final = re.compile(
    r"c\+|\+c\b|\bce\b|arteri|portal|ven(?:ous|.s)|nephro|delay|\bpost\b|\bpv\b|\bkm\b"
    r"|enhanced|with\s(?:iv\s)?contr|\bw/?\s?(?:iv\s)?con"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loser:
    """A series that is not measured, and why."""

    series_instance_uid: str
    description: str
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The series that is measured.

    Parameters
    ----------
    score
        Out of 100; for the log.
    """

    record: SeriesRecord
    stack: Stack
    score: float


def select_series(records: Sequence[SeriesRecord]) -> tuple[Selection | None, tuple[Loser, ...]]:
    """Score every series of a study.

    Returns
    -------
    Selection | None
        The best eligible series; ties go to the lowest Series Instance UID.
    losers
        Every other series with its reason.
    """
    candidates, losers = [], []
    for record in sorted(records, key=lambda one: one.series_instance_uid):
        stack = stack_of(record)
        reason = ineligible(record, stack)
        if reason is None:
            candidates.append(Selection(record=record, stack=stack, score=score(record, stack)))
        else:
            losers.append(_loser(record, reason))
    if not candidates:
        return None, tuple(losers)
    best = max(candidates, key=lambda one: one.score)
    losers += [
        _loser(one.record, Reason.BETTER_SERIES_CHOSEN) for one in candidates if one is not best
    ]
    return best, tuple(losers)


def _loser(record: SeriesRecord, reason: Reason) -> Loser:
    return Loser(
        series_instance_uid=record.series_instance_uid,
        description=record.description,
        reason=reason,
    )


def ineligible(record: SeriesRecord, stack: Stack) -> Reason | None:
    """Why a series can never be measured; ``None`` if it can.

    Source
    ------
    Rules for flagging and withholding, docs/domain.md 4.4: no localizers, derived images,
    values other than Hounsfield units, slices over 5 mm, gaps.
    """
    words = {word.upper() for word in record.image_type}
    if record.modality not in {"CT", ""}:
        return Reason.NOT_CT
    if LOCALIZER in words:
        return Reason.LOCALIZER
    if _is_derived(record, words):
        return Reason.DERIVED_IMAGE
    if record.rescale_type not in {"", "HU"} or not record.is_rescaled:
        return Reason.NOT_HOUNSFIELD
    # A scout also has few slices, so the kind of image is judged before its geometry.
    if stack.flaw is not None:
        return stack.flaw
    if not is_axial(record):
        return Reason.NOT_AXIAL
    if is_thicker(_slice_mm(record, stack), THICKEST_MM):
        return Reason.SLICE_TOO_THICK
    return None


def _is_derived(record: SeriesRecord, words: set[str]) -> bool:
    if words & set(DERIVED_WORDS):
        return True
    return DERIVED_DESCRIPTION.search(record.description.lower()) is not None


def is_axial(record: SeriesRecord) -> bool:
    """Whether the slices lie across the body, up to a tilted gantry."""
    orientation = record.orientations[0]
    normal = np.cross(orientation[:3], orientation[3:])
    return bool(abs(normal[2]) >= AXIAL_COSINE)


def _slice_mm(record: SeriesRecord, stack: Stack) -> float:
    return coarsest_mm(stack.slice_distance_mm, record.slice_thickness_mm)


def score(record: SeriesRecord, stack: Stack) -> float:
    """Suitability of a series for the measurement, 0 to 100.

    The region is a factor, because a series without the lumbar spine cannot be measured whatever
    its quality. The quality adds coverage, no contrast medium, a standard kernel, thin slices and
    120 kV.
    """
    slice_mm = _slice_mm(record, stack)
    quality = (
        30 * min(stack.coverage_mm / FULL_COVERAGE_MM, 1.0)
        + 20 * kernel_suitability(record.kernel)
        + 20 * (0.0 if is_enhanced(record) else 1.0)
        + 20 * float(np.clip((THICKEST_MM - slice_mm) / (THICKEST_MM - 1.0), 0, 1))
        + 10 * (1.0 if record.kvp is not None and abs(record.kvp - 120) < 1 else 0.0)
    )
    return round(region_suitability(record) * quality, 3)


def region_suitability(record: SeriesRecord) -> float:
    """1 for the abdomen, 0 for a head or a limb, in between for a chest or an unknown region.

    The description belongs to the series; scanners fill in body part and protocol for the whole
    examination. So a later text counts only if the earlier ones name no region.
    """
    for text in (record.description, record.body_part, record.protocol):
        for suitability, words in REGIONS:
            if words.search(text.lower()):
                return suitability
    return UNKNOWN_REGION


def is_enhanced(record: SeriesRecord) -> bool:
    """Whether the header indicates contrast medium in the vessels; it may be missing there."""
    description = record.description.lower()
    rest = PLAIN_WORDS.sub(" ", description)
    if CONTRAST_WORDS.search(rest):
        return True
    return bool(record.contrast_agent) and rest == description
