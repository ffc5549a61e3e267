"""Training of the 1 mm networks: geometry and sides of samples, resumed runs, cards."""

import hashlib
import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from models.cards import card
from models.structures_1mm import CORE_DEPTH_MM, VertebraStructure
from training.loop.about import Kind, Source
from training.loop.model_files import trained_before
from training.outline_1mm import train as fine_train
from training.outline_1mm.bone import BoneLook, coverage, paint_bone
from training.outline_1mm.deformation import random_places
from training.outline_1mm.femur import (
    STEPS_PER_MM,
    FemurSpecimen,
    _with_column,
    draw_femur,
    hip_specimens,
    signed_distance,
)
from training.outline_1mm.imaging import OUTSIDE_HU, cut_off, imaged
from training.outline_1mm.train import Config, Task, train
from training.outline_1mm.vertebra import labels_of

PATCH = (32, 32, 32)


def ball(shape, centre, radius):
    axes = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    return sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True)) < radius**2


def specimen():
    """Specimen with a ball as femoral head and a plate as hip bone."""
    shape = (80, 80, 80)
    head = np.array([45.0, 40.0, 36.0])
    hip = np.zeros(shape, bool)
    hip[72:76] = True
    return FemurSpecimen(
        femur=signed_distance(ball(shape, head, 14)),
        hip=signed_distance(hip),
        head=head.astype(np.float32),
    )


def test_signed_distances_are_negative_inside_and_exact_to_half_a_millimetre():
    """The points lie half way into a ball of 14 mm and 6 mm outside of it."""
    distance = specimen().femur.astype(float) / STEPS_PER_MM
    assert distance[45, 40, 36 + 7] == pytest.approx(-7.0, abs=0.6)
    assert distance[45, 40, 36 + 20] == pytest.approx(6.0, abs=0.6)
    assert distance[45, 40, 36 - 20] == pytest.approx(6.0, abs=0.6)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6))
def test_a_sample_has_finite_normalised_input_and_labels_of_the_network(seed):
    """This holds for any seed."""
    sample = draw_femur(specimen(), (), np.random.default_rng(seed), PATCH)
    assert sample.image.shape == (1, *PATCH)
    assert torch.isfinite(sample.image).all()
    assert sample.image.abs().max() < 4
    assert set(sample.labels.unique().tolist()) <= {0, 1}


def test_the_same_seed_draws_the_same_sample():
    """Training is reproducible."""
    one, other = (draw_femur(specimen(), (), np.random.default_rng(5), PATCH) for _ in range(2))
    assert torch.equal(one.image, other.image)


def test_places_without_deformation_are_the_source_indices():
    """Without rotation, stretch and bend the patch is a crop around the centre."""
    volume = np.random.default_rng(0).normal(size=(20, 22, 24)).astype(np.float32)
    places = random_places(
        np.random.default_rng(1),
        (5, 5, 5),
        np.array([10.0, 11.0, 12.0]),
        turn_deg=0.0,
        stretch=0.0,
        bend_mm=0.0,
    )
    assert np.allclose(places.value(volume), volume[8:13, 9:14, 10:15], atol=1e-5)


def test_places_use_the_given_axes():
    """The first axis of the patch lies along the last axis of the source."""
    ramp = np.broadcast_to(np.arange(24, dtype=np.float32), (20, 22, 24))
    axes = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    places = random_places(
        np.random.default_rng(1),
        (5, 5, 5),
        np.array([10.0, 11.0, 12.0]),
        axes=axes,
        turn_deg=0.0,
        stretch=0.0,
        bend_mm=0.0,
    )
    along = places.value(ramp)[:, 2, 2]
    assert np.allclose(along, [10, 11, 12, 13, 14], atol=1e-5)


def hip_mask(folder):
    """RAS mask, 1 mm, with a right and a left femoral head and lateral trochanters."""
    labels = np.zeros((220, 60, 90), np.uint8)
    # The first axis points to the right: low indices are the patient's left.
    for femur, centre, lateral in ((1, 160, 25), (2, 60, -25)):
        labels[ball(labels.shape, (centre, 30, 60), 20)] = femur
        labels[ball(labels.shape, (centre + lateral, 30, 35), 12)] = femur
    path = folder / "hips.nii.gz"
    nib.save(nib.Nifti1Image(labels, np.eye(4)), path)
    return path


def test_right_femora_are_mirrored_so_that_lateral_comes_last(tmp_path):
    """On both sides the trochanter lies at higher columns than the head, as on a left femur."""
    found = hip_specimens(hip_mask(tmp_path))
    assert len(found) == 2
    for one in found:
        low = np.argwhere(one.femur[: int(one.head[0]) - 15] < 0).mean(axis=0)
        assert low[2] - one.head[2] == pytest.approx(25, abs=6)


def test_a_painted_bone_has_its_cortex_at_its_surface():
    """The order from outside is soft tissue, 3 mm of cortex, trabecular bone."""
    distance = torch.linspace(5, -10, 151)[None, None]
    hu = paint_bone(
        torch.zeros_like(distance), distance, cortex_mm=3.0, cortex_hu=1000.0, inside_hu=200.0
    )[0, 0]
    assert hu[0] == 0
    assert hu[-1] == pytest.approx(200)
    thick = float((hu > 600).sum()) * 0.1
    assert thick == pytest.approx(3.0, abs=0.3)


def test_partial_volume_is_half_at_a_border():
    """Half a voxel further inside the share is one."""
    assert coverage(torch.tensor([-0.5, 0.0, 0.5])).tolist() == [1.0, 0.5, 0.0]


def test_the_random_scanner_keeps_mean_and_shape():
    """Blur, slices and noise change the mean of a uniform volume by the HU drift only."""
    rng = np.random.default_rng(3)
    for _ in range(5):
        image = imaged(torch.full((24, 20, 20), 100.0), rng)
        assert image.shape == (24, 20, 20)
        assert float(image.mean()) == pytest.approx(100, abs=20)


def test_there_is_no_bone_beyond_the_end_of_a_scan():
    """HU and labels end at the same slice."""
    hu, labels = cut_off(
        torch.zeros(20, 4, 4), torch.ones(20, 4, 4), np.random.default_rng(0), chance=1.0
    )
    assert ((hu == OUTSIDE_HU) == (labels == 0)).all()
    assert (labels == 0).any()


def test_the_core_begins_below_the_surface_of_the_body():
    """Signed distances give neighbour, posterior elements, shell and core."""
    near, deep, out = -0.5, -CORE_DEPTH_MM - 0.5, 5.0
    bone = torch.tensor([out, near, near, deep])
    body = torch.tensor([out, out, near, deep])
    neighbours = torch.tensor([near, out, out, out])
    assert labels_of(bone, body, neighbours).tolist() == [
        VertebraStructure.NEIGHBOUR,
        VertebraStructure.POSTERIOR_ELEMENTS,
        VertebraStructure.BODY_SHELL,
        VertebraStructure.TRABECULAR_CORE,
    ]


@pytest.fixture
def tiny_task(monkeypatch):
    """Replace the femur task's samples by one specimen and its network by a small one."""
    from models.networks.vbnet import VBNet

    def samples(config, seed):
        rng = np.random.default_rng(seed)
        while True:
            yield draw_femur(specimen(), (), rng, PATCH)

    task = Task(
        network=lambda: VBNet(2, widths=(8, 16), convolutions=(1, 1), fold=2),
        samples=samples,
        loss=fine_train.TASKS["femur"].loss,
        sources=lambda config: (TINY,),
    )
    monkeypatch.setattr(fine_train, "TASKS", {"tiny": task})


TINY = Source(kind=Kind.SHAPES, count=1, what="femur of a test", licence="none")


def test_a_run_learns_and_resumes(tmp_path, tiny_task):
    """The loss falls, step and time continue after a resumption, and the curve is drawn."""
    config = Config(task="tiny", out=tmp_path, steps=40, workers=0, log_every=10)
    assert train(config).step == 40
    run = train(Config(task="tiny", out=tmp_path, steps=10, workers=0, log_every=10, resume=True))
    assert run.step == 50
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries] == [10, 20, 30, 40, 50]
    assert entries[3]["loss"] < entries[0]["loss"]
    assert json.loads((tmp_path / "state.json").read_text())["step"] == 50
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_a_head_is_less_dense_beside_its_column_of_trabeculae():
    """Only the head changes; it stays dense along the column, and no voxel is below marrow."""
    rng = np.random.default_rng(8)
    lines = [torch.arange(-50.0, 51.0)] * 3
    away = torch.stack(torch.meshgrid(*lines, indexing="ij"), dim=-1)
    look = BoneLook(cortex_hu=1000.0, trabecular_hu=250.0, marrow_hu=-50.0)
    before = torch.full(away.shape[:3], 250.0)
    after = _with_column(before, away, look, rng)
    outside = away.norm(dim=-1) > 48
    torch.testing.assert_close(after[outside], before[outside], atol=10, rtol=0)
    head = away.norm(dim=-1) < 20
    assert after[head].min() < 220
    assert after[head].min() >= look.marrow_hu
    assert 245 < after[head].max() <= 250
    aside = away[..., 1:].norm(dim=-1)  # the column is tilted by about twenty degrees
    drawn = [_with_column(before, away, look, np.random.default_rng(seed)) for seed in range(8)]
    many = torch.stack(drawn).mean(dim=0)
    middle, rim = head & (aside < 5), head & (aside > 15)
    assert many[middle].mean() > many[rim].mean() + 25


def test_a_run_may_start_from_the_weights_of_another(tmp_path, tiny_task):
    """Weights in half precision load; with a learning rate near zero they do not change."""
    first, second = tmp_path / "first", tmp_path / "second"
    train(Config(task="tiny", out=first, steps=3, workers=0, log_every=1))
    shipped = {k: v.half() for k, v in load_file(first / "weights.safetensors").items()}
    save_file(shipped, tmp_path / "shipped.safetensors")
    run = train(
        Config(
            task="tiny", out=second, steps=1, workers=0, rate=1e-9, seed=5, log_every=1,
            start_from=tmp_path / "shipped.safetensors",
        )
    )  # fmt: skip
    assert run.step == 1
    digest = hashlib.sha256((tmp_path / "shipped.safetensors").read_bytes()).hexdigest()
    assert run.notes["started_from"] == digest
    for name, tensor in run.network.named_parameters():
        torch.testing.assert_close(tensor.detach(), shipped[name].float(), atol=1e-5, rtol=0)


def test_a_card_describes_the_training_of_the_initial_weights(tmp_path):
    """Steps of the earlier version are listed apart; weights that differ from its card are refused."""
    fresh = {"notes": {"seed": 0}}
    assert trained_before("vertebra_1mm", fresh) == ""
    shipped = card("vertebra_1mm")
    went_on = {"notes": {"started_from": shipped.sha256}}
    assert trained_before("vertebra_1mm", went_on).endswith(shipped.training)
    with pytest.raises(ValueError, match="started from"):
        trained_before("vertebra_1mm", {"notes": {"started_from": card("femur_1mm").sha256}})


def test_a_step_without_finite_gradients_leaves_the_weights(tmp_path, tiny_task, monkeypatch):
    """A patch with such gradients is skipped, and the log counts it."""
    config = Config(task="tiny", out=tmp_path, steps=2, workers=0, log_every=1)
    torch.manual_seed(config.seed)
    before = fine_train.TASKS["tiny"].network().state_dict()

    class Endless(torch.nn.Module):
        def forward(self, output, labels):
            return output.sum() / 0

    broken = replace(fine_train.TASKS["tiny"], loss=Endless)
    monkeypatch.setattr(fine_train, "TASKS", {"tiny": broken})
    run = train(config)
    assert (run.step, run.notes["skipped"]) == (2, 2)
    after = run.network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["skipped"] for entry in entries] == [1, 2]
