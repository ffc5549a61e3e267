"""Measure both networks of study 1 on four vertebrae, with OpenVINO and with PyTorch.

usage: python -m benchmarks.dxa_equivalent [--runs 9] [--device cpu|cuda] [--json]

Crops four vertebrae from a volume of 512x512x250 voxels at 1.25 mm, normalises them, averages them
to 32 voxels along each axis and runs both networks on them and their mirror images, as in the
product. Figures are medians; loading is not counted.

product_s : with the runtime that the product uses on this machine
torch_s : the same on PyTorch
openvino_speedup : their ratio, if OpenVINO is installed
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from models.inference import mirror_mean
from models.registry import network
from models.runtime import Forward, forward
from pipelines.secondary.dxa_equivalent.network_input import coarse, normalized, sample_box
from pipelines.secondary.dxa_equivalent.report import BMD_MODEL, STATUS_MODEL, STRIDE
from pipelines.space.coordinates import Geometry

SHAPE = (250, 512, 512)
SPACING_MM = (1.25, 0.8, 0.8)
CENTRES_MM = tuple((0.0, 0.0, 36.0 * number) for number in range(4))


def scan() -> tuple[np.ndarray[Any, np.dtype[np.float32]], Geometry]:
    """Return soft tissue with noise; the time does not depend on the content."""
    hu = np.random.default_rng(0).normal(60, 40, SHAPE).astype(np.float32)
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[::-1] * SPACING_MM
    affine[:3, 3] = (-204.0, -204.0, -156.0)
    return hu, Geometry(affine=affine, shape=SHAPE, frame_of_reference_uid=None)


def once(hu: Any, geometry: Geometry, networks: tuple[Forward, Forward], device: str) -> None:
    """Run both networks on four vertebrae."""
    boxes = [sample_box(hu, geometry, centre, slice_mm=SPACING_MM[0]) for centre in CENTRES_MM]
    images = np.stack([coarse(normalized(box), STRIDE) for box in boxes])[:, None]
    batch = torch.from_numpy(images).to(device)
    with torch.inference_mode():
        for one in networks:
            mirror_mean(one, batch, maps=False).cpu()


def median_s(run: Callable[[], None], runs: int) -> float:
    """Return the median seconds; the first run is not counted."""
    run()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    hu, geometry = scan()
    names = (BMD_MODEL, STATUS_MODEL)
    product = (forward(names[0], args.device), forward(names[1], args.device))
    plain = (network(names[0], args.device), network(names[1], args.device))
    product_s = median_s(lambda: once(hu, geometry, product, args.device), args.runs)
    torch_s = median_s(lambda: once(hu, geometry, plain, args.device), args.runs)
    found = {
        "product_s": round(product_s, 3),
        "torch_s": round(torch_s, 3),
        "openvino_speedup": round(torch_s / product_s, 2),
        "runs": args.runs,
        "device": args.device,
        "cpus": os.cpu_count(),
    }
    if not args.json:
        print("four vertebrae through both networks, medians:")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
