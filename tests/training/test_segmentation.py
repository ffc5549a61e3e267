"""Training by simulation: specimens, patches, a loop that learns and resumes."""

import json

import numpy as np
import pytest
import torch

from models.structures import Structure
from pipelines.anatomy import Level
from training.cohort.anatomy import render
from training.cohort.grid import Grid
from training.cohort.media import Media
from training.cohort.subject import draw_subject
from training.segmentation.parts import Specimen, structures
from training.segmentation.sampler import draw
from training.segmentation.train import Config, train


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
    """All ten classes have voxels."""
    assert set(np.unique(specimen.parts)) == set(map(int, Structure))


def test_centres_lie_in_bodies(specimen):
    """The heat map's peaks are vertebral bodies, five of them lumbar."""
    places = specimen.centres.round().astype(int)
    at = specimen.parts[tuple(places[places[:, 0] < len(specimen.parts)].T)]
    assert set(at) <= {Structure.LUMBAR_BODY, Structure.THORACIC_BODY}
    assert (at == Structure.LUMBAR_BODY).sum() == Level.L5 - Level.L1 + 1


def test_the_left_femur_lies_at_higher_columns(specimen):
    """Columns go to the patient's left."""
    left = np.argwhere(specimen.parts == Structure.FEMUR_LEFT)[:, 2].mean()
    right = np.argwhere(specimen.parts == Structure.FEMUR_RIGHT)[:, 2].mean()
    assert left > right


def test_patches_repeat_by_seed_and_keep_sides(specimen):
    """Same seed, same patch; a mirrored patch still has its left femur on the left."""
    for seed in range(6):
        torch.manual_seed(seed)
        one = draw(specimen, np.random.default_rng(seed))
        torch.manual_seed(seed)
        other = draw(specimen, np.random.default_rng(seed))
        assert torch.equal(one.image, other.image)
        left = torch.argwhere(one.parts == Structure.FEMUR_LEFT).float()
        right = torch.argwhere(one.parts == Structure.FEMUR_RIGHT).float()
        if len(left) and len(right):
            assert left[:, 2].mean() > right[:, 2].mean()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_training_learns_and_resumes(specimen, tmp_path):
    """The loss falls within a few steps, and a resumed run goes on counting."""
    cache = tmp_path / "cache"
    cache.mkdir()
    np.savez(
        cache / "virtual1000.npz",
        image=specimen.image,
        parts=specimen.parts,
        centres=specimen.centres,
    )
    config = Config(
        out=tmp_path / "run",
        cache=cache,
        patients=1,
        steps=30,
        workers=0,
        threads=2,
        log_every=10,
    )
    first = train(config)
    assert first.step == 30
    log = [json.loads(line) for line in (config.out / "log.jsonl").read_text().splitlines()]
    again = train(Config(out=config.out, cache=cache, patients=1, steps=2, workers=0, resume=True))
    assert again.step == 32
    assert log[-1]["parts"] < 0.93 * log[0]["parts"]
