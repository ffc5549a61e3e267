"""Trainers use bfloat16 if the processor supports it, and record the precision."""

import json
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
import torch
from torch import nn

import training.outline_1mm.export
import training.outline_3mm.export
import training.outline_3mm.export_hips
import training.study1.export
import training.study4.export
from training.loop.about import ABOUT, NOT_RECORDED, Kind, Source
from training.loop.checkpoint import LOG, TrainingState, begin_part, log_line, save_state
from training.loop.patches import Pace, output_of, start, train_on
from training.loop.precision import Precision, has_bfloat16, precision_of
from training.study1.train import Config, training_precision
from training.study4 import train as chest

HASWELL = {"architecture": "x86_64", "avx2": True, "avx512_f": False, "avx512_bf16": False}
SKYLAKE = HASWELL | {"avx512_f": True, "amx_bf16": False}
COOPER_LAKE = SKYLAKE | {"avx512_bf16": True}
SAPPHIRE_RAPIDS = COOPER_LAKE | {"amx_bf16": True, "amx_tile": True}
GRAVITON3 = {"architecture": "arm64", "neon": True, "bf16": True, "sve_bf16": True}


@pytest.fixture
def processor(monkeypatch):
    """Let PyTorch report the features of another processor."""

    def use(features):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: MappingProxyType(features))

    return use


@pytest.mark.parametrize(
    ("features", "precision"),
    [
        (HASWELL, Precision.SINGLE),
        (SKYLAKE, Precision.SINGLE),
        (COOPER_LAKE, Precision.BFLOAT16),
        (SAPPHIRE_RAPIDS, Precision.BFLOAT16),
        (GRAVITON3, Precision.SINGLE),
        ({}, Precision.SINGLE),
    ],
    ids=["AVX2", "AVX-512", "AVX-512 with bfloat16", "AMX", "ARM", "unknown"],
)
def test_a_cpu_trains_in_bfloat16_only_with_instructions_for_it(processor, features, precision):
    processor(features)
    assert precision_of("cpu") is precision


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="not Linux")
def test_pytorch_and_the_kernel_agree_about_this_processor():
    """The flags in /proc/cpuinfo are the reference."""
    flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    expected = bool(flags & {"avx512_bf16", "amx_bf16"})
    assert has_bfloat16(torch.cpu.get_capabilities()) is expected


if torch.cuda.is_available():

    @pytest.mark.gpu
    def test_an_accelerator_since_ampere_trains_in_bfloat16():
        """Compute capability 8.0 is the first with bfloat16."""
        major, _ = torch.cuda.get_device_capability()
        assert precision_of("cuda") is (Precision.BFLOAT16 if major >= 8 else Precision.SINGLE)


def run_two_steps(out: Path, *, resume: bool = False) -> tuple[TrainingState, set[torch.dtype]]:
    """Run the loop of the patch trainers on a small network; return the dtypes of its layer."""
    run = start(nn.Conv3d(1, 2, 3), out, "cpu", seed=0, resume=resume)
    seen: set[torch.dtype] = set()
    run.network.register_forward_hook(lambda _, inputs, output: seen.add(output.dtype))

    def losses(image):
        output = output_of(run, image, "cpu")
        assert output.dtype is torch.float32
        return {"loss": output.square().mean()}

    images = [torch.rand(1, 1, 8, 8, 8)] * 3
    train_on(run, images, losses, Pace(out=out, minutes=60, steps=2, log_every=1))
    return run, seen


@pytest.mark.parametrize(
    ("features", "precision", "dtype"),
    [
        (SKYLAKE, Precision.SINGLE, torch.float32),
        (SAPPHIRE_RAPIDS, Precision.BFLOAT16, torch.bfloat16),
    ],
    ids=["slow", "fast"],
)
def test_a_run_computes_in_the_precision_that_it_records(
    processor, tmp_path, features, precision, dtype
):
    """The record of the run and every line of the log contain it."""
    processor(features)
    run, seen = run_two_steps(tmp_path)
    assert (run.step, seen) == (2, {dtype})
    assert [part.precision for part in run.parts] == [precision]
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [line["precision"] for line in lines] == [precision, precision]


def test_a_run_that_moves_to_another_processor_records_both(processor, tmp_path):
    processor(SAPPHIRE_RAPIDS)
    run_two_steps(tmp_path)
    run_two_steps(tmp_path, resume=True)
    processor(SKYLAKE)
    run, seen = run_two_steps(tmp_path, resume=True)
    assert (run.step, seen) == (6, {torch.float32})
    assert [part.precision for part in run.parts] == [
        Precision.BFLOAT16,
        Precision.BFLOAT16,
        Precision.SINGLE,
    ]


def test_a_resumed_old_run_does_not_record_the_precision_of_its_first_part(tmp_path):
    """A run of an earlier version has no ``about.json``."""
    run_two_steps(tmp_path)
    (tmp_path / ABOUT).unlink()
    run, _ = run_two_steps(tmp_path, resume=True)
    assert [part.precision for part in run.parts] == [NOT_RECORDED, precision_of("cpu")]


@pytest.mark.parametrize(
    ("features", "early", "precision"),
    [
        (SKYLAKE, True, Precision.SINGLE),
        (SKYLAKE, False, Precision.SINGLE),
        (SAPPHIRE_RAPIDS, True, Precision.EARLY_BFLOAT16),
        (SAPPHIRE_RAPIDS, False, Precision.SINGLE),
    ],
)
def test_densenets_on_a_cpu_use_bfloat16_in_early_layers_at_most(
    processor, features, early, precision
):
    processor(features)
    config = Config(task="bmd", examples=Path(), out=Path(), bfloat16=early)
    assert training_precision(config) is precision


def test_networks_of_study_4_follow_the_processor(processor, tmp_path):
    config = chest.Config(task="dcnn", examples=tmp_path, out=tmp_path)
    processor(SAPPHIRE_RAPIDS)
    fast = chest.start(config)
    save_state(replace(fast, step=1), tmp_path)
    processor(SKYLAKE)
    slow = chest.start(replace(config, resume=True))
    assert (fast.precision, slow.precision) == (Precision.BFLOAT16, Precision.SINGLE)
    assert [part.precision for part in slow.parts] == [Precision.BFLOAT16, Precision.SINGLE]


def export_each(work: Path, folder: Path) -> dict[str, str]:
    """Training text of the card of every exporter, for one run."""
    run = work / "dcnn"
    log_line(run, held_out={"femur": 0.9})
    cards = [
        training.outline_3mm.export.export(run, "0.0.1", folder),
        training.outline_3mm.export_hips.export(run, "0.0.1", folder),
        training.outline_1mm.export.export("femur", run, "0.0.1", (), folder),
        training.study4.export.export("chest_dcnn", work, "0.0.1", (), folder),
        training.study1.export.export("bmd", run, "0.0.1", (), folder),
    ]
    return {one.name: one.training for one in cards}


@pytest.mark.parametrize("precision", [*Precision, None])
def test_every_card_has_the_recorded_precision(tmp_path, precision):
    """A run of an earlier version has no recorded precision."""
    network = nn.Conv3d(1, 2, 3)
    state = TrainingState(network=network, optimizer=torch.optim.Adam(network.parameters()))
    if precision is not None:
        source = Source(kind=Kind.VIRTUAL, count=3, what="of a test")
        begin_part(state, precision, "cpu", sources=[source])
    save_state(state, tmp_path / "dcnn")
    words = {*Precision, NOT_RECORDED}
    texts = export_each(tmp_path, tmp_path / "weights")
    assert len(texts) == 5
    for text in texts.values():
        assert {one for one in words if one in text} == {precision or NOT_RECORDED}
