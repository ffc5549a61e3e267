"""Measure the receive rate of the node beside DCMTK storescp and Orthanc, in one run.

usage: python -m benchmarks.receive [--images 600] [--rounds 3] [--json]

The same sender (DCMTK ``dcmsend``, 128 KiB PDU) sends the same CT images to each receiver in turn
for several rounds. The figure of a receiver is the median of its rounds. Receivers run with
``TCP_NODELAY=1``. Only the receiver of this project flushes each object and its ledger row to disk
before it answers.

durable_vs_orthanc, durable_vs_dcmtk : images/s of this listener / the other, one association
four_vs_one : images/s of this listener with four associations / with one
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from tests.e2e.node_process import running_node, write_config
from tests.peers.dcmtk import running_storescp
from tests.peers.orthanc import running_orthanc
from tests.peers.ports import free_port

PDU = 131072
AXIAL = [1, 0, 0, 0, 1, 0]


def write_images(folder: Path, count: int, series: int) -> None:
    """Write ``count`` CT images of 512x512 with noise, which prevents compression."""
    folder.mkdir(parents=True)
    noise = np.random.default_rng(series)
    for index in range(count):
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.SOPClassUID = CTImageStorage
        image.StudyInstanceUID = f"2.25.77{series}"
        image.SeriesInstanceUID = f"2.25.77{series}.1"
        image.SOPInstanceUID = f"2.25.77{series}.1.{index + 1}"
        image.FrameOfReferenceUID = f"2.25.77{series}.2"
        image.Modality = "CT"
        image.PatientName, image.PatientID = "VIRTUAL^BENCHMARK", f"B{series}"
        image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        image.ImagePositionPatient = [-200, -200, -index * 1.25]
        image.ImageOrientationPatient = AXIAL
        image.PixelSpacing, image.SliceThickness = [0.78, 0.78], 1.25
        image.KVP, image.RescaleSlope, image.RescaleIntercept = 120, 1, -1024
        image.Rows = image.Columns = 512
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
        image.PixelRepresentation = 1
        pixels = noise.integers(-1000, 1500, (512, 512), dtype=np.int16)
        image.PixelData = pixels.tobytes()
        pydicom.dcmwrite(folder / f"{index:05d}.dcm", image, enforce_file_format=True)


def send_all(folders: list[Path], port: int, called: str) -> float:
    """Return the seconds to send all folders in parallel, each over its own association."""
    target = ["127.0.0.1", str(port)]
    commands = [
        ["dcmsend", "-aec", called, "--max-send-pdu", str(PDU), "+sd", "-nh", *target, str(folder)]
        for folder in folders
    ]
    start = time.perf_counter()
    senders = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    if any(sender.wait() != 0 for sender in senders):
        sys.exit(f"dcmsend failed against port {port}")
    return time.perf_counter() - start


def measure(images: int, rounds: int, folder: Path) -> dict[str, float]:
    """Return the rates of all receivers in images per second."""
    rates: dict[str, list[float]] = {"osteonode": [], "osteonode_4": [], "orthanc": [], "dcmtk": []}
    node_port, pacs = free_port(), free_port()
    config = write_config(folder / "node", port=node_port, destination=("NOBODY", pacs))
    peers = folder / "peers"
    peers.mkdir()
    with (
        running_node(config, port=node_port, options=["--no-worker"]),
        running_orthanc(peers, node_port=node_port, lua=False) as orthanc,
        running_storescp(peers) as storescp,
    ):
        receivers = {
            "dcmtk": (storescp.port, "STORESCP"),
            "osteonode": (node_port, "OSTEONODE"),
            "orthanc": (orthanc.dicom_port, "ORTHANC"),
        }
        for index in range(rounds + 1):  # the first round fills caches
            source, parts = folder / "one", [folder / f"part{part}" for part in range(4)]
            write_images(source, images, 10 * index)
            for part, path in enumerate(parts):
                write_images(path, images // 4, 10 * index + 1 + part)
            for name, (port, called) in receivers.items():
                rates[name].append(images / send_all([source], port, called))
            rates["osteonode_4"].append(images / send_all(parts, node_port, "OSTEONODE"))
            for path in (source, *parts):
                shutil.rmtree(path)
    return {name: statistics.median(values[1:]) for name, values in rates.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print only the last line")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rates = measure(arguments.images, arguments.rounds, Path(folder))
    if not arguments.json:
        for name, rate in rates.items():
            print(f"{name:12} {rate:8.1f} images/s")
    print(
        json.dumps(
            {
                "durable_vs_orthanc": round(rates["osteonode"] / rates["orthanc"], 3),
                "durable_vs_dcmtk": round(rates["osteonode"] / rates["dcmtk"], 3),
                "four_vs_one": round(rates["osteonode_4"] / rates["osteonode"], 3),
                "images_per_s": {name: round(rate, 1) for name, rate in rates.items()},
                "images": arguments.images,
                "pdu_bytes": PDU,
                "cpus": os.cpu_count(),
            }
        )
    )


if __name__ == "__main__":
    main()
