"""Model cards hold data, steps, device, precision and settings of a run, and nothing else."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from training.loop.about import ABOUT, About, Kind, Source, device_words, settings_of
from training.loop.checkpoint import STATE
from training.loop.model_files import write_network
from training.loop.patches import Pace, output_of, start, train_on
from training.loop.precision import precision_of
from training.outline_1mm.train import TASKS
from training.outline_1mm.train import Config as FineConfig
from training.outline_3mm.train import Config as SpineConfig
from training.outline_3mm.train import sources_of
from training.study1.examples import read_examples
from training.study1.train import sources_of as study_1_sources

VIRTUAL = Source(kind=Kind.VIRTUAL, count=3, what="of training/cohort")
MASKS = Source(kind=Kind.SHAPES, count=2, what="spines (VerSe masks)", licence="CC BY-SA 4.0")
PATIENTS = Source(kind=Kind.REAL, count=7, what="abdominal CTs of a hospital")
REST = {
    "version": "0.0.1",
    "task": "a test",
    "metrics": (),
    "intended_use": "tests",
    "limits": "all",
    "licence": "Apache-2.0",
}


def run_steps(out, sources, *, steps=2, resume=False, rate=0.5):
    """Run the loop of the patch trainers on a small network."""
    run = start(
        nn.Conv3d(1, 2, 3), out, "cpu", seed=4, resume=resume,
        settings={"rate": rate}, sources=sources,
    )  # fmt: skip

    def losses(image):
        return {"loss": output_of(run, image, "cpu").square().mean()}

    images = [torch.rand(1, 1, 8, 8, 8)] * (steps + 1)
    train_on(run, images, losses, Pace(out=out, minutes=60, steps=steps, log_every=1))
    return run


def card_of(run, folder):
    """Card that the exporter writes for a run."""
    return write_network(run, name="tiny", recipe="one patch, a test loss", folder=folder, **REST)


def test_a_card_has_the_data_and_steps_of_its_run(tmp_path):
    """It lists data with licence, steps, device, threads, precision and settings, and no real CT."""
    run_steps(tmp_path / "run", [VIRTUAL, MASKS], rate=0.25)
    card = card_of(tmp_path / "run", tmp_path)
    assert card.training_data == (
        "Simulation only: virtual patients: 3 of training/cohort; real shapes with painted tissue: "
        "2 spines (VerSe masks) (CC BY-SA 4.0). No real CT."
    )
    assert card.training.startswith("2 steps of one patch, a test loss; steps 1 to 2: CPU with ")
    for words in (device_words("cpu"), precision_of("cpu"), "rate 0.25", " minutes"):
        assert words in card.training


def test_a_card_of_a_resumed_run_lists_both_parts(tmp_path):
    """Each part has its own data and settings; a source of both is listed once."""
    run_steps(tmp_path / "run", [VIRTUAL], rate=0.25)
    run_steps(tmp_path / "run", [VIRTUAL, MASKS], steps=3, resume=True, rate=0.125)
    card = card_of(tmp_path / "run", tmp_path)
    first, second = card.training.split("; ")[1:]
    assert "steps 1 to 2" in first
    assert "rate 0.25" in first
    assert "steps 3 to 5" in second
    assert "rate 0.125" in second
    assert card.training_data.count("of training/cohort") == 1
    assert "VerSe" in card.training_data


def test_a_new_run_in_the_same_folder_replaces_the_record(tmp_path):
    """Without ``resume`` the old record is gone."""
    run_steps(tmp_path / "run", [PATIENTS])
    run_steps(tmp_path / "run", [VIRTUAL])
    card = card_of(tmp_path / "run", tmp_path)
    assert "hospital" not in card.training_data
    assert card.training_data.endswith("No real patient.")


def test_a_card_of_a_run_on_patients_names_real_ct(tmp_path):
    """Such a card does not contain "No real CT"."""
    run_steps(tmp_path / "run", [VIRTUAL, PATIENTS])
    text = card_of(tmp_path / "run", tmp_path).training_data
    assert "real CT: 7 abdominal CTs of a hospital" in text
    assert "Simulation only" not in text
    assert "No real" not in text


def test_a_run_without_a_record_has_a_card_that_states_this(tmp_path):
    """Runs of earlier versions have no ``about.json``."""
    run = run_steps(tmp_path / "run", [VIRTUAL])
    (tmp_path / "run" / ABOUT).unlink()
    card = card_of(tmp_path / "run", tmp_path)
    assert card.training_data == "data of steps 1 to 2 not recorded."
    assert f"steps 1 to {run.step}: not recorded" in card.training


def test_after_a_kill_between_saves_record_and_state_agree(tmp_path):
    """Both are saved together, so a resumed part begins where the record ends."""
    run_steps(tmp_path / "run", [VIRTUAL])
    state = json.loads((tmp_path / "run" / STATE).read_text())
    about = About.model_validate_json((tmp_path / "run" / ABOUT).read_text())
    assert about.parts[-1].last_step == state["step"]


def test_the_record_has_no_paths(tmp_path):
    """The record holds numbers and strings of a configuration, but no folders of a machine."""
    config = FineConfig(task="femur", out=tmp_path, data=tmp_path, steps=3)
    kept = settings_of(config)
    assert kept["steps"] == 3
    assert kept["task"] == "femur"
    assert str(tmp_path) not in json.dumps(kept)


@pytest.mark.data
def test_recorded_sources_are_those_that_a_trainer_reads(data, tmp_path):
    """Without the data folder they are virtual patients only."""
    alone = SpineConfig(out=tmp_path, patients=5, varied=0)
    assert [one.kind for one in sources_of(alone)] == [Kind.VIRTUAL]
    whole = replace(alone, data=data, composed=4)
    assert {one.kind for one in sources_of(whole)} == {Kind.VIRTUAL, Kind.PHANTOM, Kind.SHAPES}
    femora = TASKS["femur"].sources(FineConfig(task="femur", out=tmp_path, data=data))
    masks = len(list((data / "masks" / "hips").glob("*.nii.gz")))
    assert next(one for one in femora if one.kind is Kind.SHAPES).count == masks


@pytest.mark.parametrize("simulated", [True, False])
def test_a_folder_of_real_examples_is_never_called_simulated(tmp_path, simulated):
    """Examples of a hospital lack the mark that the cohort's writers set."""
    folder = tmp_path / "00001"
    folder.mkdir()
    level = {"abmd_g_cm2": 1.0, "core_hu": 150.0, "vbmd_mg_cm3": 120.0}
    record = {
        "is_test": False,
        "status": 0,
        "spine_t_score": 0.1,
        "age_years": 60,
        "sex": "F",
        "bmi_kg_m2": 24.0,
        "levels": {"L1": level},
    } | ({"simulated": True} if simulated else {})
    (folder / "patient.json").write_text(json.dumps(record))
    (source,) = study_1_sources(read_examples(tmp_path))
    assert source.kind is (Kind.VIRTUAL if simulated else Kind.REAL)
    assert source.count == 1
