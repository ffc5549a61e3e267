"""The imaging chain, measured in images of a cylinder of water."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.cohort.body.anatomy import Anatomy
from training.cohort.body.plan import plan_body
from training.cohort.errors import BadCohortConfig
from training.cohort.matter.physics import Beam, polychromatic_attenuation
from training.cohort.paint.grid import Grid
from training.cohort.people.subject import draw_subject
from training.cohort.scan.equipment import (
    GENERIC,
    HELD_OUT,
    MODELS,
    TRAINING,
    Kernel,
    KernelFamily,
    find_model,
)
from training.cohort.scan.noise import Section
from training.cohort.scan.scanner import Scanner, fine_grid, noise_hu, scan
from training.cohort.scan.streaks import metal_streaks
from training.cohort.scan.water import WaterProfile

BODY = plan_body(draw_subject(3))
ROUND = Section(diameter_cm=30.0, lateral_cm=30.0, frontal_cm=30.0, middle_lps_mm=(0.0, 0.0))


def profile(section=ROUND):
    ends = np.array([-100.0, 100.0])
    return WaterProfile(
        heights_mm=ends,
        diameters_cm=np.full(2, section.diameter_cm),
        laterals_cm=np.full(2, section.lateral_cm),
        frontals_cm=np.full(2, section.frontal_cm),
        middles_mm=np.array([section.middle_lps_mm] * 2),
    )


def image_of(scanner, *, water=None, slices=8, spacing=(0.8, 0.8, 5.0), side=96, hu=None):
    """Scan a grid in the middle of homogeneous water (or of ``hu``: x, y, z -> HU)."""
    x = -(side - 1) / 2 * spacing[0]
    grid = Grid(origin_lps_mm=(x, x, 0.0), spacing_mm=spacing, shape=(slices, side, side))
    fine = fine_grid(grid, scanner)
    values = np.zeros(fine.shape, np.float32)
    if hu is not None:
        values += hu(
            fine.axis(0)[None, None], fine.axis(1)[None, :, None], fine.axis(2)[:, None, None]
        )
    empty = np.zeros(fine.shape, np.uint8)
    anatomy = Anatomy(plan=BODY, grid=fine, hu=values, labels=empty, parts=empty.copy())
    return scan(anatomy, scanner, grid, water or profile()).hu.astype(float)


@pytest.mark.parametrize(
    "scanner",
    [
        Scanner(slice_thickness_mm=5.0),
        Scanner(slice_thickness_mm=1.25, mas=100),
        Scanner(slice_thickness_mm=5.0, kvp=80),
        Scanner(slice_thickness_mm=5.0, model=TRAINING[1], kernel="Nb60f"),
        Scanner(slice_thickness_mm=5.0, mas=40, iterative=0.6),
    ],
)
def test_the_noise_in_the_image_agrees_with_the_formula(scanner):
    """In the middle; up to 12 % lower towards the rim of the part that is measured."""
    flat = replace(scanner.model, cupping_hu=0.0)
    measured = image_of(replace(scanner, model=flat))[:, 32:64, 32:64].std()
    assert measured == pytest.approx(noise_hu(scanner, 30.0), rel=0.12)


def test_the_noise_power_has_the_frequencies_of_its_kernel():
    """f exp(-(f / fc)^2) is highest at fc / sqrt(2)."""
    for family in KernelFamily:
        kernel = GENERIC.kernel(family)
        noise = image_of(Scanner(kernel=family, slice_thickness_mm=5.0), slices=24)
        power = (np.abs(np.fft.fft2(noise)) ** 2).mean(axis=0)
        axis = np.fft.fftfreq(96, 0.8)
        frequency = np.hypot(*np.meshgrid(axis, axis))
        bins = np.arange(0.02, 0.6, 0.04)
        place = np.digitize(frequency, bins)
        radial = np.array([power[place == k].mean() for k in range(1, len(bins))])
        highest = (bins[:-1] + 0.02)[radial.argmax()]
        assert highest == pytest.approx(kernel.noise_cut_per_mm / np.sqrt(2), abs=0.045)
        assert radial[0] < 0.6 * radial.max()


def test_overlapping_slices_share_noise():
    """Expected: the autocorrelation of the profile, a box of 5 mm with an edge of 0.5 mm."""
    noise = image_of(Scanner(slice_thickness_mm=5.0), spacing=(0.8, 0.8, 1.25), slices=40, side=64)
    place = np.arange(-10, 10, 0.05)
    soft = np.exp(-(np.arange(-2, 2.01, 0.05) ** 2) / (2 * 0.5**2))
    shape = np.convolve(np.abs(place) < 2.5, soft, mode="same")

    def expected(lag):
        moved = np.roll(shape, round(lag * 1.25 / 0.05))
        return (shape * moved).sum() / (shape**2).sum()

    for lag in (1, 2, 3, 5):
        measured = (noise[lag:] * noise[:-lag]).mean() / (noise**2).mean()
        assert measured == pytest.approx(expected(lag), abs=0.07)


def test_a_wide_patient_has_streaks_from_side_to_side():
    """Long paths along x: noise varies more along y than along x (shoulders, hips)."""
    wide = Section(diameter_cm=32.0, lateral_cm=44.0, frontal_cm=22.0, middle_lps_mm=(0.0, 0.0))
    noise = image_of(Scanner(slice_thickness_mm=2.5, mas=60), water=profile(wide))
    along_x = (noise[:, :, 1:] - noise[:, :, :-1]).std()
    along_y = (noise[:, 1:] - noise[:, :-1]).std()
    assert along_y > 1.25 * along_x
    even = image_of(Scanner(slice_thickness_mm=2.5, mas=60))
    ratio = (even[:, 1:] - even[:, :-1]).std() / (even[:, :, 1:] - even[:, :, :-1]).std()
    assert ratio == pytest.approx(1, abs=0.05)


def test_the_noise_of_a_slice_depends_on_its_own_diameter():
    """A diameter 1.5 times as large: 16 cm more water, a factor exp(0.19 * 16 / 2) in noise."""
    ways = np.array([20.0, 36.0])
    grows = replace(
        profile(),
        heights_mm=np.array([0.0, 35.0]),
        diameters_cm=ways,
        laterals_cm=ways,
        frontals_cm=ways,
    )
    noise = image_of(Scanner(slice_thickness_mm=5.0), water=grows).std(axis=(1, 2))
    assert noise[-1] / noise[0] == pytest.approx(np.exp(0.186 * 16 / 2), rel=0.15)
    assert np.all(np.diff(noise) > 0)


def test_another_scan_of_the_same_patient_has_other_noise():
    first, again, second = (
        image_of(Scanner(repeat=repeat), slices=2, side=48) for repeat in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.1


def test_the_slice_profile_has_the_nominal_width():
    """A thin plane of height 1000: its full width at half maximum is the slice thickness."""
    scanner = Scanner(noise=0.0, slice_thickness_mm=5.0)
    image = image_of(
        scanner, spacing=(0.8, 0.8, 0.5), slices=41, side=8,
        hu=lambda x, y, z: np.where(abs(z - 10) < 0.1, 2000.0, 0) + 0 * (x + y),
    )  # fmt: skip
    line = image[:, 4, 4]
    assert (line > line.max() / 2).sum() * 0.5 == pytest.approx(5.0, abs=0.6)


@pytest.mark.parametrize("family", list(KernelFamily))
def test_an_edge_is_as_wide_as_the_kernel(family):
    """10 to 90 % of an edge span 1.09 times the full width of a Gaussian."""
    scanner = Scanner(noise=0.0, kernel=family, slice_thickness_mm=1.0)
    image = image_of(
        scanner, spacing=(0.2, 0.2, 1.0), slices=1, side=96,
        hu=lambda x, y, z: np.where(x > 0, 500.0, 0) + 0 * (y + z),
    )  # fmt: skip
    edge = image[0, 48]
    rise = np.interp([450], edge, np.arange(96)) - np.interp([50], edge, np.arange(96))
    assert rise * 0.2 == pytest.approx(1.09 * GENERIC.kernel(family).fwhm_mm, abs=0.25)


def test_a_sharp_kernel_overshoots_if_its_scanner_has_overshoot():
    model = TRAINING[1]
    scanner = Scanner(model=replace(model, cupping_hu=0.0), kernel="sharp", noise=0.0)
    image = image_of(
        scanner, spacing=(0.4, 0.4, 2.5), slices=1,
        hu=lambda x, y, z: np.where(abs(x) < 1.0, 600.0, 0) + 0 * (y + z),
    )  # fmt: skip
    assert image[0, 48].min() < model.hu_drift - 10


def test_drift_shifts_all_hu_and_cupping_only_the_middle():
    model = replace(GENERIC, hu_drift=3.0, cupping_hu=-6.0)
    image = image_of(
        Scanner(model=model, noise=0.0, hu_drift=1.0), spacing=(4.0, 4.0, 5.0), slices=1
    )[0]
    assert image[48, 48] == pytest.approx(4 - 6, abs=0.6)
    assert image[2, 2] == pytest.approx(4, abs=0.6)


def test_rings_are_centred_on_the_isocentre():
    image = image_of(Scanner(noise=0.0, ring_hu=60.0), spacing=(1.0, 1.0, 5.0), slices=1, side=160)
    assert image.std() > 1
    turned = np.roll(image[0], 24, axis=0)[40:120, 40:120]  # isocentre 24 mm in front
    assert np.corrcoef(turned.ravel(), turned.T.ravel())[0, 1] > 0.8


def screw(x, y, z):
    return np.where((x**2 + y**2 < 36) & (abs(z - 10) < 4), 11000.0, 0)


def test_metal_causes_streaks_in_its_slices_only():
    scanner = Scanner(noise=0.0, slice_thickness_mm=2.5)
    image = image_of(scanner, spacing=(1.5, 1.5, 2.5), slices=16, side=128, hu=screw)
    clean = image_of(
        replace(scanner, streaks=False), spacing=(1.5, 1.5, 2.5), slices=16, side=128, hu=screw
    )
    error = np.abs(image - clean)
    assert error[4, :, 20:50].mean() > 2
    assert error[-3:].max() == 0
    far, near = error[4, 60:68, 5:15].mean(), error[4, 60:68, 48:56].mean()
    assert near > far  # streaks become weaker with the distance


def test_only_metal_causes_streaks():
    grid = Grid(origin_lps_mm=(-20.0, -20.0, 0.0), spacing_mm=(2.0,) * 3, shape=(4, 20, 20))
    bone = np.full(grid.shape, 2800, np.float32)
    empty = np.zeros(grid.shape, np.uint8)
    anatomy = Anatomy(plan=BODY, grid=grid, hu=bone, labels=empty, parts=empty)
    assert metal_streaks(anatomy, Beam(kvp=120), profile(), 1.0, 1) is None


@given(ways=st.lists(st.floats(0, 30), min_size=2, max_size=10))
def test_a_beam_hardens_in_metal(ways):
    """The measured attenuation increases with the path, but less than proportionally."""
    ideal = np.sort(np.array(ways))
    shown = polychromatic_attenuation("titanium", ideal, 120)
    assert np.all(np.diff(shown) >= -1e-12)
    assert np.all(shown <= ideal + 1e-6)


def test_the_held_out_scanner_differs_from_the_training_scanners():
    """By name, maker, filtration and the width of every kernel."""
    makers = {model.manufacturer for model in TRAINING}
    for model in HELD_OUT:
        assert model.manufacturer not in makers
        assert model.aluminium_mm > max(m.aluminium_mm for m in TRAINING)
        for family in KernelFamily:
            widths = [m.kernel(family).fwhm_mm for m in TRAINING]
            assert model.kernel(family).fwhm_mm < min(widths)
            names = {m.kernel(family).name for m in TRAINING}
            assert model.kernel(family).name not in names


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
def test_every_scanner_has_a_kernel_of_every_family_by_name_and_family(model):
    for family in KernelFamily:
        kernel = model.kernel(family)
        assert isinstance(kernel, Kernel)
        assert model.kernel(kernel.name) is kernel
    smooth, standard, sharp = (model.kernel(family) for family in KernelFamily)
    assert smooth.fwhm_mm > standard.fwhm_mm > sharp.fwhm_mm
    assert smooth.noise < standard.noise < sharp.noise


def test_the_error_for_an_unknown_scanner_or_kernel_lists_the_known_ones():
    with pytest.raises(BadCohortConfig, match=r"scanner = 'X'.*Aquila 64"):
        find_model("X")
    with pytest.raises(BadCohortConfig, match=r"kernel = 'SHARP'.*Nb30f, Nb40f, Nb60f"):
        Scanner(model=TRAINING[1], kernel="SHARP")


@given(
    field=st.sampled_from(
        ["kvp", "mas", "slice_thickness_mm", "noise", "hu_drift", "iterative", "ring_hu", "repeat"]
    ),
    value=st.one_of(st.integers(-9, -1), st.integers(10**10, 10**12), st.just(float("nan"))),
)
def test_the_error_for_an_impossible_value_names_the_field(field, value):
    if field == "hu_drift" and -50 <= value <= 50:
        return
    with pytest.raises(BadCohortConfig, match=rf"^{field} = "):
        Scanner(**{field: value})
