"""Simulate the imaging chain: slice profile, blur, noise, streaks, scanner errors, rounding."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter1d

from training.cohort.body.anatomy import Anatomy
from training.cohort.errors import BadCohortConfig
from training.cohort.matter.physics import KVPS, Beam, water_attenuation
from training.cohort.paint.grid import Floats, Grid
from training.cohort.paint.raster import broadcastable
from training.cohort.scan.couch import lay_on_table
from training.cohort.scan.equipment import GENERIC, Kernel, ScannerModel
from training.cohort.scan.image import CtImage
from training.cohort.scan.noise import (
    NoiseFilter,
    Section,
    coloured,
    elliptical_radius_squared,
    noise_filter,
    rim_factor,
)
from training.cohort.scan.streaks import Streaks, metal_streaks
from training.cohort.scan.water import WaterProfile

REFERENCE_NOISE_HU: Final = 12.0
"""Noise at 5 mm, the standard kernel, 200 mAs, 120 kVp and 30 cm of water."""

REFERENCE_MAS: Final = 200.0
OUTPUT_EXPONENT: Final = 2.6
"""Exponent of the tube voltage in the signal behind a patient."""

ITERATIVE_NOISE: Final = 0.58
"""Share of the noise that the strongest iterative reconstruction removes; 0.65 remains at 60 %."""
ITERATIVE_SHIFT: Final = 0.25
"""Share by which the strongest iterative reconstruction lowers the noise frequencies."""

OVERSHOOT_PER_MM: Final = 0.3
"""Frequency above which a kernel with overshoot amplifies."""

BLUR_MARGIN_MM: Final = 2.5
FINEST_PLANES_MM: Final = 1.6
NOISE_PLANES_MM: Final = 0.625
"""Distance of the detector rows; noise is drawn for planes with this distance."""

ISOCENTRE_Y_MM: Final = -24.0
"""Isocentre, in front of the upper end plate of S1."""

VOXELS_AT_A_TIME: Final = 3_000_000
FEWEST_SLICES: Final = 12
FWHM_PER_SIGMA: Final = 2.355
LOWEST_HU, HIGHEST_HU = -1024, 3071


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanner:
    """Acquisition and reconstruction settings of a scan.

    Parameters
    ----------
    kvp
        80, 100, 120 or 140.
    kernel
        Name of a kernel of the model, or its family.
    mas
        Tube current x time; noise is proportional to 1 / sqrt(mas).
    slice_thickness_mm
        Width of the slice profile.
    noise
        Factor on the noise; 0 for a scan without noise.
    hu_drift
        Calibration error in addition to that of the model, HU.
    iterative
        Strength of iterative reconstruction, 0 to 1.
    ring_hu
        Amplitude of ring artefacts around the isocentre.
    streaks
        Whether metal causes streaks.
    repeat
        Number of the scan; repeats of the same patient differ in noise.
    """

    kvp: int = 120
    kernel: str = "STANDARD"
    mas: int = 200
    slice_thickness_mm: float = 2.5
    noise: float = 1.0
    hu_drift: float = 0.0
    table: bool = True
    model: ScannerModel = GENERIC
    iterative: float = 0.0
    ring_hu: float = 0.0
    streaks: bool = True
    repeat: int = 0

    def __post_init__(self) -> None:
        if self.kvp not in KVPS:
            raise BadCohortConfig(f"kvp = {self.kvp}", "one of " + ", ".join(map(str, KVPS)))
        self.model.kernel(self.kernel)
        _within("mas", self.mas, 1, 2000)
        _within("slice_thickness_mm", self.slice_thickness_mm, 0.2, 20)
        _within("noise", self.noise, 0, 10)
        _within("hu_drift", self.hu_drift, -50, 50)
        _within("iterative", self.iterative, 0, 1)
        _within("ring_hu", self.ring_hu, 0, 200)
        _within("repeat", self.repeat, 0, 2**31)

    @property
    def reconstruction(self) -> Kernel:
        """The kernel in use."""
        return self.model.kernel(self.kernel)

    @property
    def offset_hu(self) -> float:
        """Offset of this scanner on every HU."""
        return self.model.hu_drift + self.hu_drift

    @property
    def dose(self) -> float:
        """Signal behind a patient relative to 200 mAs at 120 kVp."""
        return float(self.mas / REFERENCE_MAS * (self.kvp / 120.0) ** OUTPUT_EXPONENT)

    def beam(self, water_cm: float) -> Beam:
        """Beam in the middle of a patient of this water-equivalent diameter."""
        return Beam(kvp=self.kvp, water_cm=water_cm, aluminium_mm=self.model.aluminium_mm)


def noise_hu(scanner: Scanner, water_cm: float) -> float:
    """Return the noise SD in the middle of a patient of water-equivalent diameter ``water_cm``.

    Source: quantum noise, sigma ~ sqrt(exp(mu d) / (mAs T)); docs/domain.md 3.5.
    """
    mu = water_attenuation(scanner.kvp)
    thick = 5.0 / scanner.slice_thickness_mm
    way = np.exp(mu * (water_cm - 30.0))
    sigma = REFERENCE_NOISE_HU * np.sqrt(thick / scanner.dose * way)
    kept = 1 - ITERATIVE_NOISE * scanner.iterative
    factors = scanner.noise * scanner.model.noise * scanner.reconstruction.noise * kept
    return float(factors * sigma)


def scan(
    anatomy: Anatomy,
    scanner: Scanner,
    grid: Grid,
    water: WaterProfile,
    *,
    on_slice: Callable[[], None] = lambda: None,
    threads: ThreadPoolExecutor | None = None,
) -> CtImage:
    """Scan a patient painted on ``fine_grid`` of ``grid``; threads do not change the result."""
    if scanner.table:
        lay_on_table(anatomy, flat=scanner.model.flat_table)
    chain = _Chain.of(anatomy, scanner, grid, water, threads)
    at_a_time = max(FEWEST_SLICES, VOXELS_AT_A_TIME // (grid.shape[1] * grid.shape[2]))
    hu = np.empty(grid.shape, np.int16)

    def scan_slab(start: int) -> None:
        stop = min(start + at_a_time, grid.shape[0])
        for number, image in zip(range(start, stop), chain.slices(start, stop), strict=True):
            hu[number] = np.clip(np.rint(image), LOWEST_HU, HIGHEST_HU)
            on_slice()

    starts = range(0, grid.shape[0], at_a_time)
    for _ in map(scan_slab, starts) if threads is None else threads.map(scan_slab, starts):
        pass
    return CtImage(hu=hu, affine_lps=grid.affine_lps)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chain:
    """Quantities that are the same for all slices of a scan."""

    anatomy: Anatomy
    scanner: Scanner
    grid: Grid
    water: WaterProfile
    planes: "_Planes"
    transfer: Floats
    filter: NoiseFilter
    streaks: Streaks | None
    noise_key: NDArray[np.uint64]

    @classmethod
    def of(
        cls,
        anatomy: Anatomy,
        scanner: Scanner,
        grid: Grid,
        water: WaterProfile,
        threads: ThreadPoolExecutor | None,
    ) -> "_Chain":
        shape, spacing = anatomy.grid.shape[1:], anatomy.grid.spacing_mm[:2]
        cut = scanner.reconstruction.noise_cut_per_mm * (1 - ITERATIVE_SHIFT * scanner.iterative)
        rng = anatomy.plan.subject.rng(f"scan {scanner.repeat}")
        key = rng.integers(2**63, size=2, dtype=np.uint64)
        beam = scanner.beam(round(water.at(float(grid.axis(2).mean())).diameter_cm, 2))
        streaks = None
        if scanner.streaks:
            streaks = metal_streaks(
                anatomy, beam, water, scanner.dose, int(key[1]), threads=threads
            )
        return cls(
            anatomy=anatomy,
            scanner=scanner,
            grid=grid,
            water=water,
            planes=_Planes.of(anatomy.grid, grid),
            transfer=_transfer(scanner.reconstruction, shape, spacing),
            filter=noise_filter(shape, spacing, cut),
            streaks=streaks,
            noise_key=key,
        )

    def slices(self, start: int, stop: int) -> list[Floats]:
        """Reconstruct slices, HU."""
        heights = self.grid.axis(2)[start:stop]
        white = self._white(heights) if self.scanner.noise > 0 else None
        images = []
        for number, height in zip(range(start, stop), heights, strict=True):
            section = self.water.at(float(height))
            plane = self._sensed(self.planes.middle(number))
            if self.streaks is not None and self.streaks.reaches(float(height)):
                plane += self.streaks.at(float(height), self.anatomy.grid)
            image = fft.irfft2(fft.rfft2(plane) * self.transfer, plane.shape)
            image += self._residual(section)
            if white is not None:
                image += self._noise(white[number - start], section)
            images.append(image[self.planes.inside])
        return images

    def _sensed(self, middle: int) -> Floats:
        """Average the painted planes over the slice profile."""
        weights = _profile(self.scanner, self.anatomy.grid.spacing_mm[2], 0.0)
        return _weighted(self.anatomy.hu, middle - len(weights) // 2, weights)

    def _white(self, heights: NDArray[np.float64]) -> Floats:
        """White noise of each slice, unit variance; overlapping slices share planes."""
        half = len(_profile(self.scanner, NOISE_PLANES_MM, 0.0)) // 2
        first = round(heights[0] / NOISE_PLANES_MM) - half
        last = round(heights[-1] / NOISE_PLANES_MM) + half
        stack = np.stack([self._white_plane(number) for number in range(first, last + 1)])
        white = np.empty((len(heights), *stack.shape[1:]), np.float32)
        for number, height in enumerate(heights):
            place = height / NOISE_PLANES_MM
            nearest = round(place)
            weights = _profile(self.scanner, NOISE_PLANES_MM, place - nearest)
            weights /= np.sqrt(np.sum(weights**2))
            white[number] = _weighted(stack, nearest - first - half, weights)
        return white

    def _white_plane(self, number: int) -> Floats:
        counter = np.array([0, 0, 0, number + 2**40], np.uint64)
        generator = np.random.Generator(np.random.Philox(key=self.noise_key, counter=counter))
        return generator.standard_normal(self.anatomy.grid.shape[1:], dtype=np.float32)

    def _noise(self, white: Floats, section: Section) -> Floats:
        sigma = noise_hu(self.scanner, section.diameter_cm)
        mu = water_attenuation(self.scanner.kvp)
        noise = coloured(white, self.filter, section, mu, self.scanner.dose)
        x, y = self._axes()
        return np.asarray(noise * rim_factor(section, x, y) * np.float32(sigma))

    def _residual(self, section: Section) -> Floats | np.float32:
        """Scanner errors: calibration, cupping, rings."""
        if self.scanner.model.cupping_hu == 0 and self.scanner.ring_hu == 0:
            return np.float32(self.scanner.offset_hu)
        x, y = self._axes()
        inside = np.clip(1 - elliptical_radius_squared(section, x, y), 0, 1)
        cupping = self.scanner.model.cupping_hu * section.diameter_cm / 30.0
        error = np.float32(self.scanner.offset_hu) + np.float32(cupping) * inside
        if self.scanner.ring_hu > 0:
            error = error + self._rings(x, y)
        return np.asarray(error, np.float32)

    def _rings(self, x: Floats, y: Floats) -> Floats:
        """Rings of faulty detector elements; the amplitude decreases away from the middle."""
        rng = np.random.default_rng([int(self.noise_key[0]), 7])
        elements = rng.standard_normal(600) * (rng.random(600) < 0.06)
        radius = np.hypot(x, y - np.float32(ISOCENTRE_Y_MM))
        height = np.interp(radius, np.arange(600) * 0.6, elements)
        return np.asarray(self.scanner.ring_hu * height * np.exp(-radius / 120), np.float32)

    def _axes(self) -> tuple[Floats, Floats]:
        _, y, x = broadcastable((np.zeros(1), self.anatomy.grid.axis(1), self.anatomy.grid.axis(0)))
        return x[0], y[0]


def fine_grid(grid: Grid, scanner: Scanner) -> Grid:
    """Return the grid to paint on: planes at most 1.6 mm apart, plus a margin for the blur."""
    x, y, step = grid.spacing_mm
    parts = max(1, int(np.ceil(step / FINEST_PLANES_MM)))
    fine = step / parts
    planes = len(_profile(scanner, fine, 0.0)) // 2
    slices, rows, columns = grid.shape
    margins = _margin(columns, x), _margin(rows, y)
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


def _margin(size: int, spacing_mm: float) -> int:
    """Margin in pixels on either side: covers the blur and makes the FFT size fast."""
    margin = int(np.ceil(BLUR_MARGIN_MM / spacing_mm))
    while fft.next_fast_len(size + 2 * margin) != size + 2 * margin:
        margin += 1
    return margin


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planes:
    """Positions of the voxels of an image in the painted stack."""

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
    """Resample labels from the painted stack to the voxels of the image."""
    planes = _Planes.of(fine, grid)
    last = planes.middle(grid.shape[0] - 1)
    chosen = labels[planes.first : last + 1 : planes.parts]
    return np.ascontiguousarray(chosen[:, planes.inside[0], planes.inside[1]])


def _reach_mm(scanner: Scanner) -> float:
    return scanner.slice_thickness_mm / 2 + 3 * scanner.model.profile_blur_mm


def _profile(scanner: Scanner, step_mm: float, shift: float) -> Floats:
    """Slice profile on planes ``step_mm`` apart: a box of the slice thickness with blurred edges.

    ``shift`` is the distance, in planes, of the middle of the slice above the middle plane.
    """
    width = max(1.0, scanner.slice_thickness_mm / step_mm)
    half = int(np.ceil(_reach_mm(scanner) / step_mm))
    places = np.arange(-half, half + 1) - shift
    box = np.clip(width / 2 + 0.5 - np.abs(places), 0, 1)
    profile = gaussian_filter1d(box, scanner.model.profile_blur_mm / step_mm, mode="constant")
    return np.asarray(profile / profile.sum(), np.float32)


def _weighted(planes: Floats, start: int, weights: Floats) -> Floats:
    """Weighted sum of consecutive planes, in fixed order (equal on every machine)."""
    total = np.zeros(planes.shape[1:], np.float32)
    for number, weight in enumerate(weights):
        if weight > 1e-6:
            total += planes[start + number] * weight
    return total


def _transfer(kernel: Kernel, shape: tuple[int, ...], spacing_mm: tuple[float, ...]) -> Floats:
    """In-plane modulation transfer function on the frequencies of ``rfft2``."""
    along_y = fft.fftfreq(shape[0], spacing_mm[1])[:, None]
    along_x = fft.rfftfreq(shape[1], spacing_mm[0])[None, :]
    square = along_y**2 + along_x**2
    sigma = kernel.fwhm_mm / FWHM_PER_SIGMA
    transfer = np.exp(-2 * (np.pi * sigma) ** 2 * square)
    transfer *= 1 + kernel.overshoot * (1 - np.exp(-square / OVERSHOOT_PER_MM**2))
    return np.asarray(transfer, np.float32)


def _within(field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise BadCohortConfig(f"{field} = {value:g}", f"{low:g} to {high:g}")
