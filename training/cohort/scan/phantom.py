"""Simulate a scan of a calibration phantom: rods of known mineral density in water.

A site scans such a phantom for ``osteonode calibrate phantom``. The rods are hydroxyapatite in
water. Their HU follow from the beam behind the same thickness of water. The scanner adds blur,
noise and its HU error.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pipelines.density.fit_site_calibration import Rod
from training.cohort.body.anatomy import Anatomy
from training.cohort.body.plan import plan_body
from training.cohort.matter.physics import mineral_in_water_hu_per_mg_cm3
from training.cohort.paint.grid import Grid
from training.cohort.people.subject import draw_subject
from training.cohort.scan.image import CtImage
from training.cohort.scan.scanner import Scanner, fine_grid, scan
from training.cohort.scan.water import WaterProfile

DENSITIES_MG_CM3: Final = (0.0, 50.0, 100.0, 150.0, 200.0)
WATER_CM: Final = 27.0
ROD_RADIUS_MM: Final = 12.0
RING_MM: Final = 70.0
"""Distance from the middle of the phantom to the middle of each rod."""
FIELD_MM: Final = 320.0
LENGTH_MM: Final = 40.0
PIXEL_MM: Final = 1.0
AIR_HU: Final = -1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomScan:
    """Images of the phantom and the position of each rod in them."""

    image: CtImage
    rods: tuple[Rod, ...]


def scan_phantom(scanner: Scanner, number: int = 0) -> PhantomScan:
    """Simulate a scan of the phantom without a patient.

    Parameters
    ----------
    number
        Seed of the noise.
    """
    thick = scanner.slice_thickness_mm
    side, count = round(FIELD_MM / PIXEL_MM), max(4, round(LENGTH_MM / thick))
    corner = PIXEL_MM / 2 - FIELD_MM / 2
    grid = Grid(
        origin_lps_mm=(corner, corner, 0.0),
        spacing_mm=(PIXEL_MM, PIXEL_MM, thick),
        shape=(count, side, side),
    )
    painted = fine_grid(grid, scanner)
    rise = mineral_in_water_hu_per_mg_cm3(scanner.beam(WATER_CM))
    x, y = painted.axis(0)[None, :], painted.axis(1)[:, None]
    plane = np.where(np.hypot(x, y) <= 5 * WATER_CM, 0.0, AIR_HU)
    rods = []
    for index, density in enumerate(DENSITIES_MG_CM3):
        angle = 2 * np.pi * index / len(DENSITIES_MG_CM3)
        right, back = RING_MM * np.cos(angle), RING_MM * np.sin(angle)
        plane[np.hypot(x - right, y - back) <= ROD_RADIUS_MM] = rise * density
        column, row = (right - corner) / PIXEL_MM, (back - corner) / PIXEL_MM
        rods.append(Rod(density_mg_cm3=density, column=float(column), row=float(row)))
    nothing = np.zeros(painted.shape, np.uint8)
    anatomy = Anatomy(
        plan=plan_body(draw_subject(number)),  # only its seed is used
        grid=painted,
        hu=np.broadcast_to(plane.astype(np.float32), painted.shape).copy(),
        labels=nothing,
        parts=nothing,
    )
    water = WaterProfile(
        heights_mm=np.array([0.0, LENGTH_MM]),
        diameters_cm=np.full(2, WATER_CM),
        laterals_cm=np.full(2, WATER_CM),
        frontals_cm=np.full(2, WATER_CM),
        middles_mm=np.zeros((2, 2)),
    )
    image = scan(anatomy, replace(scanner, table=False), grid, water)
    return PhantomScan(image=image, rods=tuple(rods))
