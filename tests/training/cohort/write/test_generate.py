"""A dataset on disk: equal bytes for any kind of run, and no loss after a kill."""

import json
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.contract.anatomy import Level
from tests.peers.processes import still_running
from tests.peers.waiting import wait_until
from training.cohort.body.anatomy import LABEL_FEMUR
from training.cohort.errors import BadCohortConfig
from training.cohort.scan.protocols import draw_plan
from training.cohort.write import dataset
from training.cohort.write.dataset import DatasetPlan, is_finished, make_item, read_crop
from training.cohort.write.generate import WorkerDied, generate, manifest

PROJECT = Path(__file__).parents[4]
PLAN = DatasetPlan(subjects=2, seed=77)
COMMAND = [sys.executable, "-m", "training.cohort", "generate", "--seed", "77"]


def digests(folder, subjects=2):
    return {
        name: digest
        for item in manifest(replace(PLAN, subjects=subjects), folder)["items"]
        for name, digest in item["files"].items()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two patients, made one after the other without an interruption."""
    folder = tmp_path_factory.mktemp("dataset")
    assert generate(PLAN, folder) == 2
    return folder


def test_a_killed_run_is_resumed_with_the_same_bytes(made, tmp_path):
    """kill -9 of the command with its processes during the work; then the same command again."""
    command = [*COMMAND, "--subjects", "2", "--out", str(tmp_path), "--jobs", "2"]
    process = subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.DEVNULL)
    wait_until(lambda: bool(list(tmp_path.glob("*_L1.npz"))), timeout_s=300)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not still_running(children)
    assert not (tmp_path / "manifest.json").exists()
    unfinished = [seed for seed in PLAN.seeds if not is_finished(tmp_path, seed)]
    assert unfinished

    again = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True)
    assert f"{len(unfinished)} made, {2 - len(unfinished)} already existed" in again.stderr
    assert digests(tmp_path) == digests(made)
    first, second = (folder / "manifest.json" for folder in (made, tmp_path))
    assert first.read_bytes() == second.read_bytes()
    assert not [path for path in tmp_path.rglob("*.part") if path.name.endswith(".json.part")]


def test_the_manifest_lists_every_file_with_its_digest(made):
    stated = json.loads((made / "manifest.json").read_text())
    assert stated["config_sha256"] == PLAN.digest
    assert stated["config"]["what"] == "vertebrae"
    listed = {name for item in stated["items"] for name in item["files"]}
    there = {path.name for path in made.iterdir()} - {"manifest.json", "config.json", ".lock"}
    assert listed == there


def test_a_crop_is_read_with_its_masks_and_its_truth(made):
    seed = PLAN.seeds[0]
    crop = read_crop(made / f"{seed:012d}_L3.npz")
    assert crop.image.hu.shape == (64, 128, 128)
    assert crop.image.spacing_mm == pytest.approx((0.625, 0.4, 0.4))
    assert crop.truth["subject"]["seed"] == seed
    assert crop.truth["scan"]["slice_thickness_mm"] == 5.0
    assert set(crop.truth["crops"]) == {"L1", "L2", "L3", "L4"}
    place = np.linalg.inv(crop.image.affine_lps) @ np.append(
        crop.truth["levels"]["L3"]["body_centroid_lps_mm"], 1
    )
    assert crop.core(Level.L3)[tuple(np.rint(place[:3]).astype(int))]


def test_a_finished_item_is_not_made_again(made):
    seed = PLAN.seeds[1]
    file = made / f"{seed:012d}_L1.npz"
    before = file.stat().st_mtime_ns
    seen: list[int] = []
    assert generate(PLAN, made, on_item=seen.append) == 0
    assert seen == PLAN.seeds
    assert file.stat().st_mtime_ns == before


def test_a_larger_dataset_contains_the_smaller_one():
    assert replace(PLAN, subjects=5).seeds[:2] == PLAN.seeds
    assert replace(PLAN, subjects=5).digest == PLAN.digest
    assert not set(replace(PLAN, seed=78, subjects=5).seeds) & set(PLAN.seeds)


@pytest.mark.parametrize("change", [{"held_out": True}, {"study": "chest"}, {"what": "femora"}])
def test_another_dataset_is_not_mixed_in(made, change):
    with pytest.raises(BadCohortConfig, match=f"another .*{next(iter(change))}"):
        generate(replace(PLAN, **change), made)


def test_two_commands_do_not_work_in_one_folder(tmp_path):
    def second(seed: int) -> None:
        with pytest.raises(BadCohortConfig, match="another process"):
            generate(PLAN, tmp_path)

    (tmp_path / f"{PLAN.seeds[0]:012d}.json").write_text("{}")
    generate(replace(PLAN, subjects=1), tmp_path, on_item=second)


def test_a_killed_worker_raises_an_error_with_the_next_step(tmp_path):
    """A kill because of low memory, for example; finished items stay."""
    killed = []

    def kill(seed: int) -> None:
        for child in psutil.Process().children():
            with suppress(psutil.NoSuchProcess):  # a zombie: killed after the item before
                if "spawn_main" in " ".join(child.cmdline()):
                    child.kill()
                    killed.append(child.pid)

    plan = replace(PLAN, subjects=6, what="femora")
    make_item(plan, plan.seeds[0], tmp_path)
    with pytest.raises(WorkerDied, match="resume"):
        generate(
            plan,
            tmp_path,
            jobs=2,
            on_item=lambda seed: kill(seed) if seed != plan.seeds[0] else None,
        )
    assert killed
    assert is_finished(tmp_path, plan.seeds[0])
    left, right = (
        read_crop(tmp_path / f"{plan.seeds[0]:012d}_{side}.npz") for side in ("left", "right")
    )
    assert left.bone(LABEL_FEMUR[1]).sum() > 50_000
    assert right.bone(LABEL_FEMUR[-1]).sum() > 50_000
    assert not left.bone(LABEL_FEMUR[-1]).any()


def test_an_examination_is_an_item_too(tmp_path, monkeypatch):
    """On a coarse matrix; the folder appears only when it is complete."""
    monkeypatch.setattr(
        dataset, "draw_plan",
        lambda *a, **k: replace(draw_plan(*a, **k), size=48, slice_spacing_mm=15.0),
    )  # fmt: skip
    plan = DatasetPlan(what="examinations", subjects=1, protocol="lumbar", seed=3)
    folder = tmp_path / f"{plan.seeds[0]:012d}"
    folder.mkdir()
    (folder / "half").touch()  # of a run that was killed between folder and truth
    generate(plan, tmp_path)
    files = sorted((folder / "dicom").iterdir())
    truth = json.loads((tmp_path / f"{folder.name}.json").read_text())
    assert pydicom.dcmread(files[0]).SeriesInstanceUID == truth["series_instance_uid"]
    assert {path.name for path in folder.iterdir()} == {"dicom", "labels.nii.gz", "parts.nii.gz"}
    assert "L3" in truth["levels"]


BAD = {
    "what": st.text(max_size=6),
    "subjects": st.one_of(st.integers(-9, 0), st.integers(10**7, 10**9)),
    "seed": st.integers(-9, -1),
    "study": st.text(max_size=4),
    "scenario": st.text(max_size=4),
    "protocol": st.text(min_size=1, max_size=4),
    "slice_thickness_mm": st.one_of(st.floats(-9, 0), st.just(float("nan"))),
}


@given(data=st.data())
def test_a_bad_plan_names_its_field(data):
    field = data.draw(st.sampled_from(list(BAD)))
    value = data.draw(BAD[field])
    with pytest.raises(BadCohortConfig, match=rf"^{field} = "):
        replace(PLAN, **{field: value})


def test_the_same_seed_gives_the_same_bytes_in_any_process(tmp_path):
    """Two fresh processes, one thread against four; every file of the examination."""
    found = []
    for threads in ("1", "4"):
        out = tmp_path / threads
        command = [sys.executable, "-m", "training.cohort", "simulate", "--out", str(out)]
        options = ["--protocol", "abdomen", "--draw", "--scanner", "Vega 128", "--seed", "12"]
        options += ["--size", "128", "--spacing-mm", "8", "--labels", "--threads", threads]
        environment = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        subprocess.run(
            [*command, *options], check=True, cwd=PROJECT, stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", **environment},
        )  # fmt: skip
        found.append(
            {
                str(path.relative_to(out)): path.read_bytes()
                for path in out.rglob("*.*")
                if path.is_file()
            }
        )
    one, four = found
    assert len(one) > 40
    assert one == four
