"""Collect the known truth of a simulated examination for truth.json."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.cohort.body.anatomy import Anatomy
from training.cohort.body.femur import plan_femur, proximal_end_mm
from training.cohort.body.plan import BodyPlan, VertebraPlan
from training.cohort.body.ribs import rib_length
from training.cohort.body.vertebra import body_centroid_lps_mm, body_heights_mm
from training.cohort.matter.media import Media
from training.cohort.matter.physics import as_beam, mineral_mg_cm3, spongiosa
from training.cohort.people.findings import HEALTHY
from training.cohort.people.subject import Subject
from training.cohort.scan.header import SeriesHeader
from training.cohort.scan.image import CtImage
from training.cohort.scan.scanner import Scanner

CERVICAL_VERTEBRAE = 7


def truth(
    anatomy: Anatomy, image: CtImage, scanner: Scanner, media: Media, header: SeriesHeader
) -> dict[str, object]:
    """Collect subject, scan and one entry for every vertebra whose body lies within the image."""
    subject_findings = anatomy.plan.subject.findings
    return {
        "simulated": True,
        "study_instance_uid": header.study_instance_uid,
        "series_instance_uid": header.series_instance_uid,
        "subject": subject_truth(anatomy.plan.subject),
        "findings": subject_findings.as_json(),
        "numbering": numbering_truth(anatomy.plan),
        "femora": femora_truth(anatomy.plan),
        "scan": scan_truth(scanner, media, header.protocol_name or ""),
        "levels": levels_truth(anatomy, image, scanner, media),
    }


def subject_truth(subject: Subject) -> dict[str, object]:
    """Describe the patient."""
    return {
        "seed": subject.seed,
        "sex": subject.sex,
        "age_years": subject.age_years,
        "height_cm": round(subject.height_cm, 1),
        "bmi_kg_m2": round(subject.bmi_kg_m2, 1),
        "marrow_fat": round(subject.marrow_fat, 3),
        "form": asdict(subject.form),
    }


def numbering_truth(plan: BodyPlan) -> dict[str, object]:
    """Describe the number of vertebrae, and whether a count from one end may be wrong.

    Vertebrae are named from the head: the first twelve that may bear ribs are T1 to T12, the next
    five L1 to L5. A 25th free vertebra is T13 if it bears a thirteenth pair of ribs, else L6.
    ``transitional`` is true if a count from the sacrum or the last rib alone may be wrong.
    """
    found = plan.subject.findings
    return {
        "presacral_vertebrae": CERVICAL_VERTEBRAE + len(plan.vertebrae),
        "rib_bearing_vertebrae": sum(rib_length(plan, v) > 0 for v in plan.vertebrae),
        "lowest": plan.vertebrae[-1].name,
        "transitional": found.is_transitional,
        "lumbosacral": found.lumbosacral,
        "thoracolumbar": found.thoracolumbar,
    }


def femora_truth(plan: BodyPlan) -> dict[str, object]:
    """Describe both proximal femora, whether or not the image contains them."""
    femur = plan_femur(plan)
    return {
        name: {
            "head_centre_lps_mm": [round(float(c), 2) for c in femur.head * np.array([side, 1, 1])],
            "proximal_end_z_mm": round(proximal_end_mm(femur), 2),
            "prosthesis": plan.subject.findings.hip_prosthesis == name,
        }
        for name, side in (("left", 1), ("right", -1))
    }


def scan_truth(scanner: Scanner, media: Media, protocol: str = "") -> dict[str, object]:
    """Describe the acquisition."""
    kernel = scanner.reconstruction
    return {
        "protocol": protocol,
        "scanner": scanner.model.name,
        "kvp": scanner.kvp,
        "kernel": kernel.name,
        "kernel_family": kernel.family.value,
        "mas": scanner.mas,
        "iterative": scanner.iterative,
        "slice_thickness_mm": scanner.slice_thickness_mm,
        "hu_offset": round(scanner.offset_hu, 2),
        "contrast_phase": media.phase,
        "iodine": media.iodine,
        "marrow_uptake": media.marrow_uptake,
        "water_cm": as_beam(media.kvp).water_cm,
    }


def levels_truth(
    anatomy: Anatomy, image: CtImage, scanner: Scanner, media: Media
) -> dict[str, object]:
    """Describe every vertebra whose body lies within the image.

    ``vbmd_mg_cm3`` is the density that single-energy QCT measures; subjects are drawn on this
    scale. ``mineral_mg_cm3`` is the true hydroxyapatite that leads to it with this marrow.
    """
    return {
        vertebra.name: _level(vertebra, anatomy.plan.subject, scanner, media)
        for vertebra in anatomy.plan.vertebrae
        if is_covered(vertebra, image.affine_lps, image.hu.shape)
    }


def is_covered(
    vertebra: VertebraPlan, affine_lps: NDArray[np.float64], shape: tuple[int, ...]
) -> bool:
    """Whether the whole body of a vertebra lies within an image of (slices, rows, columns)."""
    reach = vertebra.size_mm[2] / 2 + 4
    to_index = np.linalg.inv(affine_lps)
    for up in (-reach, reach):
        index = (to_index @ np.append(vertebra.lps(0, 0, up), 1))[:3]
        if not np.all((index >= -0.5) & (index <= np.array(shape) - 0.5)):
            return False
    return True


def _level(
    vertebra: VertebraPlan, subject: Subject, scanner: Scanner, media: Media
) -> dict[str, object]:
    vbmd = subject.density_mg_cm3(vertebra.level)
    mineral = mineral_mg_cm3(vbmd, subject.marrow_fat)
    plain = float(spongiosa(subject.marrow_fat, media.kvp).at(mineral))
    hu = plain + media.marrow_rise_hu(subject.marrow_fat)
    return {
        "vbmd_mg_cm3": vbmd,
        "mineral_mg_cm3": round(mineral, 1),
        "trabecular_hu": round(hu + scanner.offset_hu, 1),
        "body_centroid_lps_mm": [round(float(c), 2) for c in body_centroid_lps_mm(vertebra)],
        "body_size_mm": [round(s, 1) for s in vertebra.size_mm],
        "findings": vertebra.findings.changed(),
        **_fracture(vertebra),
    }


def _fracture(vertebra: VertebraPlan) -> dict[str, object]:
    """Grade, and anterior, middle and posterior heights with their losses."""
    heights = body_heights_mm(vertebra)
    healthy = body_heights_mm(replace(vertebra, findings=HEALTHY))
    return {
        "genant_grade": vertebra.findings.genant_grade,
        "heights_mm": [round(height, 1) for height in heights],
        "height_loss": [round(1 - h / full, 3) for h, full in zip(heights, healthy, strict=True)],
    }


def write_truth(content: dict[str, object], file: Path) -> None:
    """Write JSON; equal content gives equal bytes."""
    file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def label_affine_ras(image: CtImage) -> NDArray[np.float64]:
    """Affine of a NIfTI whose axes are (column, row, slice) of the image."""
    affine = image.affine_lps[:, [2, 1, 0, 3]]
    return np.asarray(np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)
