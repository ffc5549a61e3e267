"""The Laplacian of Gaussian is ITK's, bit for bit but for a rare last one."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.radiomics.gaussian import laplacian_of_gaussian


def reference(image: np.ndarray, spacing_mm: np.ndarray, sigma_mm: float) -> np.ndarray:
    given = sitk.GetImageFromArray(image)
    given.SetSpacing([float(step) for step in spacing_mm[::-1]])
    laplacian = sitk.LaplacianRecursiveGaussianImageFilter()
    laplacian.SetNormalizeAcrossScale(True)
    laplacian.SetSigma(sigma_mm)
    return sitk.GetArrayFromImage(laplacian.Execute(given))


@pytest.mark.parametrize("sigma_mm", [1.0, 2.0, 3.0, 4.0])
def test_values_are_those_of_itk(sigma_mm: float) -> None:
    """The widths of study 3 on its grid of 1 mm."""
    image = np.random.default_rng(1).normal(200, 300, (40, 31, 52)).astype(np.float32)
    box = (slice(3, 36), slice(0, 31), slice(10, 47))

    ours = laplacian_of_gaussian(image, box, np.ones(3), sigma_mm)

    theirs = reference(image, np.ones(3), sigma_mm)[box]
    assert (ours != theirs).mean() < 1e-3
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6 * np.abs(theirs).max())


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(*[st.integers(4, 24)] * 3),
    spacing=st.tuples(*[st.floats(0.4, 3.0)] * 3),
    sigma_mm=st.floats(0.8, 6.0),
    seed=st.integers(0, 1000),
)
def test_any_grid_agrees_with_itk(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    sigma_mm: float,
    seed: int,
) -> None:
    """Small, anisotropic, narrow or wide."""
    image = np.random.default_rng(seed).normal(0, 500, shape).astype(np.float32)
    whole = (slice(None), slice(None), slice(None))
    steps = np.asarray(spacing)

    ours = laplacian_of_gaussian(image, whole, steps, sigma_mm)

    theirs = reference(image, steps, sigma_mm)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-6 * np.abs(theirs).max())
