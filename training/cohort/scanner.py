"""The imaging chain: slice profile, in-plane blur, correlated noise, table, whole numbers.

Takes  Anatomy
Gives  CtImage
Next   training.cohort.orientation, training.cohort.dicom
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter1d

from training.cohort.anatomy import Anatomy
from training.cohort.errors import BadCohortConfig
from training.cohort.grid import Floats, Grid
from training.cohort.image import CtImage
from training.cohort.physics import KVPS, Beam
from training.cohort.water import WaterProfile

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
BLUR_MARGIN_MM: Final = 2.5
FINEST_PLANES_MM: Final = 1.6
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
        if self.kvp not in KVPS:
            raise BadCohortConfig(f"kvp = {self.kvp}", "one of " + ", ".join(map(str, KVPS)))
        if self.kernel not in KERNELS:
            raise BadCohortConfig(f"kernel = {self.kernel!r}", "one of " + ", ".join(KERNELS))
        for field in ("mas", "slice_thickness_mm"):
            if getattr(self, field) <= 0:
                raise BadCohortConfig(f"{field} = {getattr(self, field):g}", "a positive number")
        if self.noise < 0:
            raise BadCohortConfig(f"noise = {self.noise:g}", "zero or a positive number")

    def beam(self, water_cm: float) -> Beam:
        """X-rays in the middle of a patient of this water-equivalent diameter."""
        return Beam(kvp=self.kvp, water_cm=water_cm)


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
    water: WaterProfile,
    *,
    on_slice: Callable[[], None] = lambda: None,
    threads: ThreadPoolExecutor | None = None,
) -> CtImage:
    """Scan a patient, painted on ``fine_grid`` of ``grid``; the same with and without threads."""
    if scanner.table:
        _add_table(anatomy)
    planes = _Planes.of(anatomy.grid, grid)
    transfer, noise_filter = _filters(scanner, anatomy.grid)
    hu = np.empty(grid.shape, np.int16)

    def scan_slice(number: int) -> None:
        spectrum = np.asarray(
            fft.rfft2(_sensed(anatomy, scanner, planes.middle(number))) * transfer
        )
        sigma = noise_hu(scanner, water.at(float(grid.axis(2)[number])))
        if sigma > 0:
            rng = anatomy.plan.subject.rng(f"noise of slice {number}")
            white = rng.standard_normal(anatomy.grid.shape[1:], dtype=np.float32)
            spectrum += fft.rfft2(white) * (noise_filter * np.float32(sigma))
        image = fft.irfft2(spectrum, anatomy.grid.shape[1:])[planes.inside] + scanner.hu_drift
        hu[number] = np.clip(np.rint(image), LOWEST_HU, HIGHEST_HU)
        on_slice()

    slices = range(grid.shape[0])
    for _ in map(scan_slice, slices) if threads is None else threads.map(scan_slice, slices):
        pass
    return CtImage(hu=hu, affine_lps=grid.affine_lps)


def fine_grid(grid: Grid, scanner: Scanner) -> Grid:
    """Give the grid to paint on: planes at most 1.6 mm apart, and a margin for the blur."""
    x, y, step = grid.spacing_mm
    parts = max(1, int(np.ceil(step / FINEST_PLANES_MM)))
    fine = step / parts
    reach = scanner.slice_thickness_mm / 2 + 3 * PROFILE_BLUR_MM
    margins = int(np.ceil(BLUR_MARGIN_MM / x)), int(np.ceil(BLUR_MARGIN_MM / y))
    planes = int(np.ceil(reach / fine))
    slices, rows, columns = grid.shape
    return Grid(
        origin_lps_mm=(
            grid.origin_lps_mm[0] - margins[0] * x,
            grid.origin_lps_mm[1] - margins[1] * y,
            grid.origin_lps_mm[2] - planes * fine,
        ),
        spacing_mm=(x, y, fine),
        shape=(
            (slices - 1) * parts + 1 + 2 * planes,
            rows + 2 * margins[1],
            columns + 2 * margins[0],
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planes:
    """Where the voxels of an image lie in the painted stack."""

    parts: int
    first: int
    inside: tuple[slice, slice]

    @classmethod
    def of(cls, fine: Grid, grid: Grid) -> "_Planes":
        parts = round(grid.spacing_mm[2] / fine.spacing_mm[2])
        rows, columns = ((fine.shape[k] - grid.shape[k]) // 2 for k in (1, 2))
        return cls(
            parts=parts,
            first=(fine.shape[0] - (grid.shape[0] - 1) * parts - 1) // 2,
            inside=(slice(rows, rows + grid.shape[1]), slice(columns, columns + grid.shape[2])),
        )

    def middle(self, number: int) -> int:
        """Painted plane in the middle of a slice."""
        return self.first + number * self.parts


def on_image_grid(labels: NDArray[np.uint8], fine: Grid, grid: Grid) -> NDArray[np.uint8]:
    """Take labels from the painted stack to the voxels of the image."""
    planes = _Planes.of(fine, grid)
    last = planes.middle(grid.shape[0] - 1)
    chosen = labels[planes.first : last + 1 : planes.parts]
    return np.ascontiguousarray(chosen[:, planes.inside[0], planes.inside[1]])


def _sensed(anatomy: Anatomy, scanner: Scanner, middle: int) -> Floats:
    """Apply the slice profile: a box of the slice thickness with soft edges."""
    step_mm = anatomy.grid.spacing_mm[2]
    width = max(1.0, scanner.slice_thickness_mm / step_mm)
    half = int(np.ceil((scanner.slice_thickness_mm / 2 + 3 * PROFILE_BLUR_MM) / step_mm))
    places = np.arange(-half, half + 1)
    box = np.clip(width / 2 + 0.5 - np.abs(places), 0, 1)
    profile = gaussian_filter1d(box, PROFILE_BLUR_MM / step_mm, mode="constant")
    profile = (profile / profile.sum()).astype(np.float32)
    window = anatomy.hu[middle - half : middle + half + 1]
    return np.tensordot(profile, window, axes=1)


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
