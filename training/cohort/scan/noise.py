"""Quantum noise: power spectrum in the image plane and correlation between slices.

The key and the position of a plane seed its noise. The noise is filtered to the noise power
spectrum of the kernel and averaged over the slice profile. Overlapping slices therefore share
noise, and thick slices have less of it.

Source
------
Spectrum and dose: docs/domain.md 3.5. Directions: the noise of a frequency comes from the
rays perpendicular to it (projection-slice theorem). A long path through shoulders or hips thus
causes streaks along that path; Barrett & Swindell 1981. Electronic noise at low counts: Whiting et al. 2006.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from training.cohort.paint.grid import Floats

ANGULAR_MODULATION: Final = 0.5
"""Share of the differences between directions that remains after tube current modulation."""

STARVED_CM: Final = 52.0
"""Water at which electronic noise equals quantum noise, at 200 mAs and 120 kVp."""

RIM: Final = 0.3
"""Decrease of the noise from the middle of the patient to the rim, as a share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Water-equivalent path lengths through a slice of the patient, cm.

    Parameters
    ----------
    diameter_cm
        Diameter of a cylinder of water that attenuates like the slice.
    lateral_cm, frontal_cm
        Paths through the middle from side to side and from front to back.
    middle_lps_mm
        (x, y) of the centre of attenuation.
    """

    diameter_cm: float
    lateral_cm: float
    frontal_cm: float
    middle_lps_mm: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFilter:
    """Filter that gives white noise of a plane the spectrum of a kernel.

    Parameters
    ----------
    amplitude : (rows, columns // 2 + 1) float32
        Square root of the power on the frequencies of ``rfft2``; unit variance.
    direction : the same shape
        Angle between the frequency and the direction of the rows (x), radians.
    """

    amplitude: Floats
    direction: Floats
    shape: tuple[int, int]


def noise_filter(
    shape: tuple[int, int], spacing_mm: tuple[float, float], cut_per_mm: float
) -> NoiseFilter:
    """Build the filter for images of (rows, columns) with spacing (x, y)."""
    rows, columns = shape
    along_y = fft.fftfreq(rows, spacing_mm[1])[:, None]
    along_x = fft.rfftfreq(columns, spacing_mm[0])[None, :]
    frequency = np.hypot(along_y, along_x)
    power = frequency * np.exp(-((frequency / cut_per_mm) ** 2))
    return NoiseFilter(
        amplitude=np.sqrt(_normalised(power, shape)).astype(np.float32),
        direction=np.arctan2(*np.broadcast_arrays(along_y, along_x)).astype(np.float32),
        shape=shape,
    )


def _normalised(power: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Scale the power to unit variance of the image."""
    weights = np.full(power.shape, 2.0)
    weights[:, 0] = 1.0
    if shape[1] % 2 == 0:
        weights[:, -1] = 1.0
    return np.asarray(power * (shape[0] * shape[1] / (power * weights).sum()))


def coloured(
    white: Floats, filter_: NoiseFilter, section: Section, mu_per_cm: float, dose: float
) -> Floats:
    """Filter white noise of unit variance; the mean power over all directions stays about one.

    Parameters
    ----------
    dose
        Relative to 200 mAs at 120 kVp; at a low dose electronic noise dominates.
    """
    lateral, frontal = section.lateral_cm, section.frontal_cm
    # The rays of a frequency are perpendicular to it: frequencies along y belong to rays along x.
    cosine, sine = np.cos(filter_.direction), np.sin(filter_.direction)
    way = 1 / np.sqrt((sine / lateral) ** 2 + (cosine / frontal) ** 2)
    excess = np.exp(mu_per_cm * ANGULAR_MODULATION * (way - section.diameter_cm))
    starved = 1 + np.exp(mu_per_cm * (way - STARVED_CM)) / dose
    gain = np.sqrt(excess * starved).astype(np.float32)
    spectrum = fft.rfft2(white)
    spectrum *= filter_.amplitude * gain
    return np.asarray(fft.irfft2(spectrum, filter_.shape), np.float32)


def rim_factor(section: Section, x: Floats, y: Floats) -> Floats:
    """Noise relative to the middle of the patient at ``x``, ``y`` (broadcastable, LPS mm)."""
    square = elliptical_radius_squared(section, x, y)
    return np.asarray(1 - np.float32(RIM) * np.minimum(square, 1.5))


def elliptical_radius_squared(section: Section, x: Floats, y: Floats) -> Floats:
    """Squared distance from the middle of the patient; 1 on the rim."""
    across = (x - np.float32(section.middle_lps_mm[0])) / np.float32(5 * section.lateral_cm)
    deep = (y - np.float32(section.middle_lps_mm[1])) / np.float32(5 * section.frontal_cm)
    return np.asarray(across**2 + deep**2)
