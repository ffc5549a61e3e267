"""The imaging chain: slice profile, in-plane blur, correlated noise, table, whole numbers.

Takes  Anatomy
Gives  CtImage
Next   training.cohort.orientation, training.cohort.dicom
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter1d

from training.cohort.anatomy import Anatomy
from training.cohort.errors import BadCohortConfig
from training.cohort.grid import Floats, Grid
from training.cohort.image import CtImage
from training.cohort.physics import EFFECTIVE_ENERGY_KEV

KERNELS: Final = MappingProxyType(
    {"SMOOTH": (1.6, 0.25), "STANDARD": (1.2, 0.40), "SHARP": (0.7, 0.60)}
)
"""In-plane blur (full width at half maximum, mm) and noise cut-off (1/mm/10 = 1/cm) by kernel."""

KERNEL_NOISE: Final = MappingProxyType({"SMOOTH": 0.75, "STANDARD": 1.0, "SHARP": 1.9})
"""Noise of a kernel relative to the standard one."""

REFERENCE_NOISE_HU: Final = 12.0
"""At 5 mm, the standard kernel, 200 mAs, 120 kVp and 30 cm of water."""

WATER_ATTENUATION_PER_CM: Final = 0.19
PROFILE_BLUR_MM: Final = 0.5
FWHM_PER_SIGMA: Final = 2.355
LOWEST_HU, HIGHEST_HU = -1024, 3071
TABLE_HU, TABLE_SHELL_HU = -850.0, -60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanner:
    """How a patient is scanned.

    Parameters
    ----------
    kvp
        80, 100, 120 or 140.
    kernel
        A key of ``KERNELS``.
    mas
        Tube current x time; noise goes with its root.
    slice_thickness_mm
        Width of the slice profile.
    noise
        Factor on the noise; 0 gives a perfect scan.
    hu_drift
        Calibration error of this scanner.
    """

    kvp: int = 120
    kernel: str = "STANDARD"
    mas: int = 200
    slice_thickness_mm: float = 2.5
    noise: float = 1.0
    hu_drift: float = 0.0
    table: bool = True

    def __post_init__(self) -> None:
        if self.kvp not in EFFECTIVE_ENERGY_KEV:
            known = ", ".join(map(str, EFFECTIVE_ENERGY_KEV))
            raise BadCohortConfig(f"kvp = {self.kvp}", f"one of {known}")
        if self.kernel not in KERNELS:
            raise BadCohortConfig(f"kernel = {self.kernel!r}", "one of " + ", ".join(KERNELS))
        for field in ("mas", "slice_thickness_mm"):
            if getattr(self, field) <= 0:
                raise BadCohortConfig(f"{field} = {getattr(self, field):g}", "a positive number")
        if self.noise < 0:
            raise BadCohortConfig(f"noise = {self.noise:g}", "zero or a positive number")


def noise_hu(scanner: Scanner, water_cm: float) -> float:
    """Give the standard deviation in the middle of a patient as thick as ``water_cm`` of water.

    Source: quantum noise, sigma ~ sqrt(exp(mu d) / (mAs T)); kVp ~ kVp^-1.3.
    """
    thick = 5.0 / scanner.slice_thickness_mm
    dose = 200.0 / scanner.mas * (120.0 / scanner.kvp) ** 2.6
    way = np.exp(WATER_ATTENUATION_PER_CM * (water_cm - 30.0))
    sigma = REFERENCE_NOISE_HU * KERNEL_NOISE[scanner.kernel] * np.sqrt(thick * dose * way)
    return float(scanner.noise * sigma)


def scan(
    anatomy: Anatomy,
    scanner: Scanner,
    grid: Grid,
    *,
    on_slice: Callable[[], None] = lambda: None,
) -> CtImage:
    """Scan a patient onto ``grid``, whose planes lie on every n-th plane of the anatomy's grid."""
    if scanner.table:
        _add_table(anatomy)
    _blur_along_z(anatomy, scanner, parts=anatomy.grid.shape[0] // grid.shape[0])
    rng = anatomy.plan.subject.rng("noise")
    sigma = noise_hu(scanner, _water_equivalent_cm(anatomy.hu, grid))
    transfer, noise_filter = _filters(scanner, grid)
    hu = np.empty(grid.shape, np.int16)
    for number, plane in enumerate(_planes(anatomy.grid, grid)):
        spectrum = np.asarray(fft.rfft2(anatomy.hu[plane]) * transfer)
        if sigma > 0:
            white = rng.standard_normal(grid.shape[1:], dtype=np.float32)
            spectrum = spectrum + fft.rfft2(white) * (noise_filter * np.float32(sigma))
        image = fft.irfft2(spectrum, grid.shape[1:]) + scanner.hu_drift
        hu[number] = np.clip(np.rint(image), LOWEST_HU, HIGHEST_HU)
        on_slice()
    return CtImage(hu=hu, affine_lps=grid.affine_lps)


def fine_grid(grid: Grid) -> Grid:
    """Give the grid to paint on: planes at most 1.6 mm apart, around every plane of ``grid``."""
    x, y, step = grid.spacing_mm
    parts = max(1, int(np.ceil(step / 1.6)))
    fine = step / parts
    return Grid(
        origin_lps_mm=(*grid.origin_lps_mm[:2], grid.origin_lps_mm[2] - fine * (parts - 1) / 2),
        spacing_mm=(x, y, fine),
        shape=(grid.shape[0] * parts, *grid.shape[1:]),
    )


def _planes(fine: Grid, grid: Grid) -> list[int]:
    """Plane of the painted stack (already averaged) for each slice."""
    parts = fine.shape[0] // grid.shape[0]
    return [n * parts + parts // 2 for n in range(grid.shape[0])]


def _blur_along_z(anatomy: Anatomy, scanner: Scanner, *, parts: int) -> None:
    """Apply the slice profile in place: a box of the slice thickness with soft edges.

    An even number of planes per slice has its middle between two of them: half a plane is then
    part of the profile, and ``_planes`` takes the plane above the middle.
    """
    step_mm = anatomy.grid.spacing_mm[2]
    width = max(1.0, scanner.slice_thickness_mm / step_mm)
    half = int(np.ceil(width / 2 + 2))
    places = np.arange(-half, half + 1) + (0.5 if parts % 2 == 0 else 0.0)
    box = np.clip(width / 2 + 0.5 - np.abs(places), 0, 1)
    profile = gaussian_filter1d(box, PROFILE_BLUR_MM / step_mm, mode="constant")
    profile = (profile / profile.sum()).astype(np.float32)
    hu = anatomy.hu
    source = np.concatenate([hu[:1]] * half + [hu] + [hu[-1:]] * half)
    for number in range(len(hu)):
        window = source[number : number + 2 * half + 1]
        hu[number] = np.tensordot(profile, window, axes=1)


def _filters(scanner: Scanner, grid: Grid) -> tuple[Floats, Floats]:
    """In-plane transfer function and noise shaping filter on the frequencies of ``rfft2``."""
    rows, columns = grid.shape[1:]
    along_y = fft.fftfreq(rows, grid.spacing_mm[1])[:, None]
    along_x = fft.rfftfreq(columns, grid.spacing_mm[0])[None, :]
    frequency = np.hypot(along_y, along_x)
    width, cut = KERNELS[scanner.kernel]
    sigma = width / FWHM_PER_SIGMA
    transfer = np.exp(-2 * (np.pi * sigma * frequency) ** 2)
    power = frequency * np.exp(-((frequency / cut) ** 2))
    weights = np.full(power.shape, 2.0)
    weights[:, 0] = 1.0
    power *= rows * columns / (power * weights).sum()
    return transfer.astype(np.float32), np.sqrt(power).astype(np.float32)


def _water_equivalent_cm(hu: Floats, grid: Grid) -> float:
    """Diameter of a cylinder of water that attenuates like the middle slice."""
    plane = hu[len(hu) // 2]
    area_mm2 = float(np.clip(plane / 1000 + 1, 0, None).sum()) * float(np.prod(grid.spacing_mm[:2]))
    return float(2 * np.sqrt(area_mm2 / np.pi) / 10)


def _add_table(anatomy: Anatomy) -> None:
    """Lay a curved table of foam in a thin shell under the back."""
    grid = anatomy.grid
    x, y = grid.axis(0)[None, :], grid.axis(1)[:, None]
    lowest = _lowest_point_mm(anatomy.hu, grid)
    top = lowest + 3 - 0.0012 * np.minimum(np.abs(x), 230) ** 2 * 0.9
    depth = y - top
    inside = (np.abs(x) < 230) & (depth > 0) & (depth < 42)
    shell = inside & ((depth < 2) | (depth > 40))
    table = np.where(shell, TABLE_SHELL_HU, TABLE_HU).astype(np.float32)
    for plane in anatomy.hu:
        air = inside & (plane < -990)
        plane[air] = table[air]


def _lowest_point_mm(hu: Floats, grid: Grid) -> float:
    """Most posterior row that is not air."""
    rows = np.flatnonzero((hu[:: max(1, len(hu) // 8)] > -500).any(axis=(0, 2)))
    return float(grid.axis(1)[rows[-1]]) if len(rows) else 1e6
