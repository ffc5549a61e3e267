"""Measure the time from the last received slice of a chest CT to the delivered report.

usage: python -m benchmarks.chest [--runs 1] [--seed 5] [--folder DICOM] [--json]

Simulates a chest CT of 1 mm slices every 0.9 mm that ends below L2. Starts a whole node with its
worker and an archive as PACS, and sends the 400 lowest slices. The quiet time, after which a series
counts as complete, is 2 s here; in service it is a setting of the node.

seconds : from the last C-STORE answered to the Structured Report in the archive (median)
seconds_worker : part of that in the job
chest_reported : whether the chest pipeline reports a result
load_before : load average over one minute at the start of the first run
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pydicom import dcmread

from node.dicom_peer import Peer
from node.tools.demo_archive import Archive, running_archive
from node.tools.send_folder import send_folder
from tests.e2e.node_process import Node, running_node, write_config
from tests.peers.ports import free_port
from tests.peers.waiting import wait_until

SLICES = 400
TIMEOUT_S = 900
SIMULATE = [
    "-m", "training.cohort", "simulate", "--region", "chest", "--thickness-mm", "1", "--spacing-mm",
    "0.9", "--age", "64", "--sex", "F",
]  # fmt: skip


def simulate(folder: Path, seed: int) -> Path:
    """Write the lowest slices of a chest CT; return their folder."""
    command = [sys.executable, *SIMULATE, "--seed", str(seed), "--out", str(folder)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    dicom = folder / "dicom"
    files = sorted(dicom.iterdir(), key=lambda path: float(_height(path)))
    for path in files[SLICES:]:
        path.unlink()
    return dicom


def _height(path: Path) -> float:
    return float(dcmread(path, stop_before_pixels=True).ImagePositionPatient[2])


def deliver(dicom: Path, node: Node, archive: Archive) -> float:
    """Return the seconds from the last answer to the report in the archive."""
    before = len(archive.find("SR"))
    peer = Peer(host="127.0.0.1", port=node.port, ae_title="OSTEONODE")
    report = send_folder(dicom, peer)
    assert report.failed == 0
    start = time.perf_counter()
    wait_until(lambda: len(archive.find("SR")) > before, TIMEOUT_S, what="the report")
    return time.perf_counter() - start


def measure(dicom: Path, runs: int, folder: Path) -> dict[str, Any]:
    """Return medians over runs, each with its own node."""
    load = os.getloadavg()[0]
    seconds, jobs, reported = [], [], []
    for index in range(runs):
        place, port = folder / str(index), free_port()
        with running_archive(place / "archive", free_port()) as archive:
            config = write_config(
                place / "node", port=port, destination=(archive.ae_title, archive.port)
            )
            with running_node(config, port=port) as node:
                seconds.append(deliver(dicom, node, archive))
                (outcome,) = node.folder.glob("work/*/outcome.json")
                jobs.append(sum(json.loads(outcome.read_text("utf-8"))["seconds"].values()))
                (result,) = node.results().values()
                chest = [one for one in result["secondary"] if one["pipeline"] == "chest"]
                reported.append(any(one["reported"] for one in chest))
    return {
        "seconds": round(statistics.median(seconds), 2),
        "seconds_worker": round(statistics.median(jobs), 2),
        "chest_reported": all(reported),
        "slices": len(list(dicom.iterdir())),
        "runs": runs,
        "cpus": os.cpu_count(),
        "load_before": round(load, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="DICOM folder instead of the simulated CT")
    parser.add_argument("--json", action="store_true", help="print only the last line")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dicom = arguments.folder or simulate(folder / "ct", arguments.seed)
        result = measure(dicom, arguments.runs, folder)
    if not arguments.json:
        print(f"{result['slices']} slices: {result['seconds']} s, job {result['seconds_worker']} s")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
