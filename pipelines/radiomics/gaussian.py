"""Laplacian of Gaussian as in ITK: recursive filters, computed as matrix products.

A recursive filter is linear, so along an axis of n voxels it is an n x n matrix; only the rows of
the region's box are needed. Values are rounded to single precision after each pass, as between the
filters of ITK: grey levels are then equal to the last bit.
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter, lfilter_zi

# Deriche, Recursively implementing the Gaussian and its derivatives (INRIA RR-1893, 1993): sum of
# two damped cosines with frequencies W and decays L; A and B weigh cosine and sine, by order of the
# derivative. Rounded as in ITK (itk::RecursiveGaussianImageFilter), which sets the reference.
W: Final = np.array([0.6681, 2.0787])
L: Final = np.array([-1.3932, -1.3732])
A: Final = {0: (1.3530, -0.3531), 2: (-1.3563, 0.3446)}
B: Final = {0: (1.8151, 0.0902), 2: (5.2318, -2.2355)}

Vector = NDArray[np.float64]


def laplacian_of_gaussian(
    image: NDArray[np.float32],
    box: tuple[slice, slice, slice],
    spacing_mm: Vector,
    sigma_mm: float,
) -> NDArray[np.float32]:
    """Laplacian of a smoothed image, times sigma squared, in a box of it.

    Parameters
    ----------
    image : (slices, rows, columns)
    box
        Where the result is wanted.
    sigma_mm
        Standard deviation of the Gaussian.

    Source
    ------
    ``itk::LaplacianRecursiveGaussianImageFilter`` with ``NormalizeAcrossScale``: per axis the
    second derivative, then smoothing along the other two, columns before rows before slices.
    """
    total: NDArray[np.float32] | None = None
    for axis in (2, 1, 0):
        part = image
        for along in (axis, *(other for other in (2, 1, 0) if other != axis)):
            order = 2 if along == axis else 0
            operator = _operator(image.shape[along], float(spacing_mm[along]), sigma_mm, order)
            part = _apply(operator[box[along]], part, along)
        part = part * np.float32(1 / spacing_mm[axis] ** 2)
        total = part if total is None else total + part
    assert total is not None
    return total


def _apply(operator: Vector, image: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Product along an axis, in double precision, rounded to single."""
    values = image.astype(np.float64)
    if axis == 2:
        product = values @ operator.T
    elif axis == 1:
        product = operator @ values
    else:
        flat = operator @ values.reshape(len(values), -1)
        product = flat.reshape(-1, *values.shape[1:])
    return product.astype(np.float32)


@cache
def _operator(size: int, spacing_mm: float, sigma_mm: float, order: int) -> Vector:
    """(size, size): the filter along a line whose ends continue as constants.

    Parameters
    ----------
    order
        0 smooths, 2 is the second derivative of the smoothed line times sigma squared.
    """
    sigma = sigma_mm / spacing_mm
    poles = _denominator(sigma)
    causal = _numerator(order, sigma, sigma_mm, poles)
    anticausal = np.append(causal, 0) - poles * causal[0]
    anticausal[0] = 0  # the voxel itself is counted once
    lines = np.eye(size)
    backward = _filtered(anticausal, poles, lines[::-1])[::-1]
    return np.asarray(_filtered(causal, poles, lines) + backward)


def _filtered(numerator: Vector, denominator: Vector, lines: Vector) -> Vector:
    """Recursion down the rows, begun in the steady state of the first one."""
    steady = lfilter_zi(numerator, denominator)
    filtered, _ = lfilter(numerator, denominator, lines, axis=0, zi=steady[:, None] * lines[:1])
    return np.asarray(filtered)


def _numerator(order: int, sigma: float, sigma_mm: float, poles: Vector) -> Vector:
    """Causal part, scaled so that constants (order 0) and parabolas (order 2) are exact."""
    smooth = _shape(0, sigma)
    sum_p, first_p, second_p = _moments(poles)
    if order == 0:
        return np.asarray(smooth / (2 * smooth.sum() / sum_p - smooth[0]))
    bent = _shape(2, sigma)
    flat = -(2 * bent.sum() - sum_p * bent[0]) / (2 * smooth.sum() - sum_p * smooth[0])
    bent = bent + flat * smooth
    sum_b, first_b, second_b = _moments(bent)
    curvature = (
        second_b * sum_p**2
        - second_p * sum_b * sum_p
        - 2 * first_b * first_p * sum_p
        + 2 * first_p**2 * sum_b
    ) / sum_p**3
    return np.asarray(bent * sigma_mm**2 / curvature)


def _shape(order: int, sigma: float) -> Vector:
    """Numerator of the two damped cosines, four coefficients."""
    (a1, a2), (b1, b2) = A[order], B[order]
    (s1, s2), (c1, c2), (e1, e2) = np.sin(W / sigma), np.cos(W / sigma), np.exp(L / sigma)
    return np.array(
        [
            a1 + a2,
            e2 * (b2 * s2 - (a2 + 2 * a1) * c2) + e1 * (b1 * s1 - (a1 + 2 * a2) * c1),
            2 * e1 * e2 * ((a1 + a2) * c2 * c1 - b1 * c2 * s1 - b2 * c1 * s2)
            + a2 * e1**2
            + a1 * e2**2,
            e2 * e1**2 * (b2 * s2 - a2 * c2) + e1 * e2**2 * (b1 * s1 - a1 * c1),
        ]
    )


def _denominator(sigma: float) -> Vector:
    """Poles of the two damped cosines, five coefficients."""
    (c1, c2), (e1, e2) = np.cos(W / sigma), np.exp(L / sigma)
    return np.array(
        [
            1.0,
            -2 * (e2 * c2 + e1 * c1),
            4 * c2 * c1 * e1 * e2 + e1**2 + e2**2,
            -2 * c1 * e1 * e2**2 - 2 * c2 * e2 * e1**2,
            e1**2 * e2**2,
        ]
    )


def _moments(coefficients: Vector) -> tuple[float, float, float]:
    k = np.arange(len(coefficients))
    return (
        float(coefficients.sum()),
        float((k * coefficients).sum()),
        float((k * k * coefficients).sum()),
    )
