"""Training of the 3 mm networks: specimens, patches, and runs that learn and resume."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import training.outline_3mm.train_hips as train_hips_module
from models.structures_3mm import Structure
from pipelines.contract.anatomy import Level
from training.cohort.body.anatomy import render
from training.cohort.icrp110.organ_maps import FEMORA
from training.cohort.icrp110.specimen import Specimen, kept, structures
from training.cohort.matter.media import Media
from training.cohort.paint.grid import Grid
from training.cohort.people.subject import draw_subject
from training.outline_3mm.composed import composed_specimen
from training.outline_3mm.losses import merged_labels, merged_logits
from training.outline_3mm.sampler import MEDIUM, PATCH, SMALL_SIZES, draw
from training.outline_3mm.train import Config, train
from training.outline_3mm.train_hips import Config as HipConfig
from training.outline_3mm.train_hips import around_the_hips
from training.outline_3mm.train_hips import train as train_hips
from training.outline_3mm.warps import patch_places


@pytest.fixture(scope="module")
def specimen() -> Specimen:
    """A virtual patient on a coarse grid."""
    grid = Grid(origin_lps_mm=(-220, -230, -190), spacing_mm=(4, 4, 4), shape=(130, 90, 110))
    anatomy = render(draw_subject(3), grid, Media(kvp=120))
    centres = [
        (np.asarray(v.centre_lps_mm)[::-1] - np.asarray(grid.origin_lps_mm)[::-1]) / 4
        for v in anatomy.plan.vertebrae
    ]
    return Specimen(
        image=anatomy.hu.astype(np.int16),
        parts=structures(anatomy.plan, grid, anatomy.labels),
        centres=np.asarray(centres, np.float32),
        spacing_mm=4.0,
        organs={},
    )


def test_every_structure_is_in_a_virtual_patient(specimen):
    """Every class has voxels."""
    assert set(np.unique(specimen.parts)) == set(map(int, Structure))


def test_centres_lie_in_bodies(specimen):
    """The peaks of the heat map are vertebral bodies, five of them lumbar."""
    places = specimen.centres.round().astype(int)
    at = specimen.parts[tuple(places[places[:, 0] < len(specimen.parts)].T)]
    assert set(at) <= {Structure.LUMBAR_BODY, Structure.THORACIC_BODY}
    assert (at == Structure.LUMBAR_BODY).sum() == Level.L5 - Level.L1 + 1


def test_the_left_femur_lies_at_higher_columns(specimen):
    """Column numbers increase to the patient's left."""
    left = np.argwhere(specimen.parts == Structure.FEMUR_LEFT)[:, 2].mean()
    right = np.argwhere(specimen.parts == Structure.FEMUR_RIGHT)[:, 2].mean()
    assert left > right


def test_the_loss_does_not_depend_on_the_side_of_a_femur():
    """Swapping left and right does not change it; the position in the patient gives the side."""
    rng = torch.Generator().manual_seed(1)
    logits = torch.randn((1, len(Structure), 8, 8, 8), generator=rng)
    parts = torch.randint(0, len(Structure), (1, 1, 8, 8, 8), generator=rng)
    swapped = parts.clone()
    swapped[parts == Structure.FEMUR_LEFT] = int(Structure.FEMUR_RIGHT)
    swapped[parts == Structure.FEMUR_RIGHT] = int(Structure.FEMUR_LEFT)
    assert torch.equal(merged_labels(parts), merged_labels(swapped))
    exchanged = logits.clone()
    exchanged[:, [Structure.FEMUR_LEFT, Structure.FEMUR_RIGHT]] = logits[
        :, [Structure.FEMUR_RIGHT, Structure.FEMUR_LEFT]
    ]
    torch.testing.assert_close(merged_logits(logits), merged_logits(exchanged))
    assert merged_logits(logits).shape[1] == merged_labels(parts).max() + 1


def test_small_patches_contain_a_vertebral_body(specimen):
    """A small patch is centred on a body, and its sizes are multiples of 16."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        places = patch_places(specimen, rng, (32, 48, 32), near_vertebra=True)
        middle = places[16, 24, 16]
        near = np.linalg.norm(specimen.centres - middle, axis=1).min() * specimen.spacing_mm
        assert near < 120
    assert all(size % 16 == 0 for size in (*PATCH, *MEDIUM, *SMALL_SIZES))


def test_patches_around_the_pelvis_contain_hips(specimen):
    """They contain at least 1.5 times as much of the femora as other patches."""
    shown = {True: 0, False: 0}
    for seed in range(12):
        for near in shown:
            rng = np.random.default_rng(seed)
            places = patch_places(specimen, rng, MEDIUM, near_pelvis=near)
            index = np.rint(places).astype(int)
            inside = ((index >= 0) & (index < specimen.parts.shape)).all(axis=-1)
            found = specimen.parts[tuple(np.where(inside[..., None], index, 0).reshape(-1, 3).T)]
            is_femur = np.isin(found, (Structure.FEMUR_LEFT, Structure.FEMUR_RIGHT))
            shown[near] += int((is_femur & inside.ravel()).sum())
    assert shown[True] > 1.5 * shown[False]


@pytest.mark.data
def test_the_cortex_of_composed_femora_varies_in_thickness(data):
    """Over a few seeds the share of cortex voxels in a femur differs by a factor of two."""
    shares = []
    for seed in range(9000, 9004):
        made = composed_specimen(seed, data, held_out=True)
        femur = np.isin(made.parts, (Structure.FEMUR_LEFT, Structure.FEMUR_RIGHT))
        shares.append(float((made.image[femur] == FEMORA[0]).mean()))
    assert max(shares) > 1.8 * min(shares)


@pytest.mark.data
def test_composed_bones_fit_together(data):
    """A disc lies between L5 of one person and the sacrum of another; ribs start at T12."""
    made = composed_specimen(9000, data, held_out=True)
    assert set(np.unique(made.parts)) == set(map(int, Structure))
    at = made.parts[tuple(made.centres.round().astype(int).T)]
    assert set(at) <= {Structure.LUMBAR_BODY, Structure.THORACIC_BODY}
    assert (at == Structure.LUMBAR_BODY).sum() == 5
    sacrum = np.argwhere(made.parts == Structure.SACRUM)
    lowest = made.centres[made.centres[:, 0].argmin()]
    gap = np.linalg.norm(sacrum - lowest, axis=1).min() * made.spacing_mm
    assert 8 < gap < 35
    left = np.argwhere(made.parts == Structure.FEMUR_LEFT)[:, 2].mean()
    assert left > np.argwhere(made.parts == Structure.FEMUR_RIGHT)[:, 2].mean()
    assert made.last_ribs_mm is not None
    assert made.last_ribs_mm.max() > 60


def test_patches_repeat_by_seed_and_keep_sides(specimen):
    """The same seed gives the same patch; a mirrored patch has its left femur on the left."""
    for seed in range(6):
        torch.manual_seed(seed)
        one = draw(specimen, np.random.default_rng(seed))
        torch.manual_seed(seed)
        other = draw(specimen, np.random.default_rng(seed))
        assert torch.equal(one.image, other.image)
        left = torch.argwhere(one.labels == Structure.FEMUR_LEFT).float()
        right = torch.argwhere(one.labels == Structure.FEMUR_RIGHT).float()
        if len(left) and len(right):
            assert left[:, 2].mean() > right[:, 2].mean()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_hip_network_learns_and_resumes(specimen, tmp_path, monkeypatch):
    """Specimens cropped to the pelvis keep the femora; the loss falls; a resumed run continues its count."""
    monkeypatch.setattr(train_hips_module, "PATCH", (32, 48, 64))  # a quarter of the voxels
    cache = tmp_path / "cache"
    kept(cache / "virtual1000.npz", lambda: specimen)
    around = around_the_hips(specimen)
    assert len(around.parts) < len(specimen.parts)
    assert (around.parts == Structure.FEMUR_LEFT).sum() == (
        specimen.parts == Structure.FEMUR_LEFT
    ).sum()
    config = HipConfig(
        out=tmp_path / "run",
        cache=cache,
        patients=1,
        varied=0,
        steps=50,
        workers=0,
        held_out=0,
    )
    assert train_hips(config).step == 50
    log = [json.loads(line) for line in (config.out / "log.jsonl").read_text().splitlines()]
    assert log[-1]["loss"] < 0.97 * log[0]["loss"]
    assert train_hips(replace(config, steps=1, resume=True)).step == 51


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_training_learns_and_resumes(specimen, tmp_path):
    """The loss falls within a few steps, and a resumed run continues its count."""
    cache = tmp_path / "cache"
    kept(cache / "virtual1000.npz", lambda: specimen)
    config = Config(
        out=tmp_path / "run",
        cache=cache,
        patients=1,
        varied=0,
        steps=30,
        workers=0,
        log_every=10,
        held_out=0,
    )
    first = train(config)
    assert first.step == 30
    log = [json.loads(line) for line in (config.out / "log.jsonl").read_text().splitlines()]
    again = train(replace(config, steps=2, resume=True))
    assert again.step == 32
    assert log[-1]["parts"] < 0.93 * log[0]["parts"]
