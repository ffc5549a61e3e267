"""Draw overlays of results on a CT, and the loss curves of a training run.

python -m training.evaluate.pictures --run runs/spine --out docs/results
"""

import argparse
import json
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage

from pipelines.locate.localize import Localization, LocatedVertebra
from pipelines.read.volume import AIR_HU, CtVolume, Segmentation
from pipelines.space.resample import resample_to_canonical

mpl.use("Agg")
WINDOW_HU = (-200, 500)


def overlay(
    name: str, ct: CtVolume, found: Localization, bodies: Segmentation, folder: Path
) -> Path:
    """Draw labels on a sagittal and a coronal plane of the spine: ``folder/name.png``."""
    grid = found.grid
    hu = resample_to_canonical(ct.hu, ct.geometry, grid, outside=AIR_HU)
    between = np.linalg.inv(ct.geometry.affine) @ grid.affine
    labels = ndimage.affine_transform(
        bodies.labels, between[:3, :3], between[:3, 3], output_shape=grid.shape, order=0
    )
    places = [
        (np.asarray(v.centre_lps_mm) - grid.origin_lps_mm) / grid.spacing_mm for v in found.bodies
    ] or [np.asarray(grid.shape)[::-1] / 2]
    column, row = (round(float(np.median([p[k] for p in places]))) for k in (0, 1))
    figure, axes = plt.subplots(1, 2, figsize=(10, 6))
    for axis, image, mask, across in (
        (axes[0], hu[:, :, column], labels[:, :, column], 1),
        (axes[1], hu[:, row], labels[:, row], 0),
    ):
        axis.imshow(image, cmap="gray", vmin=WINDOW_HU[0], vmax=WINDOW_HU[1], origin="lower")
        shown = np.ma.masked_equal(mask, 0)
        axis.imshow(shown, cmap="tab20", alpha=0.45, vmin=8, vmax=28, origin="lower")
        for body, place in zip(found.bodies, places, strict=False):
            name_of_body = body.level.name if isinstance(body, LocatedVertebra) else "?"
            axis.text(place[across], place[2], name_of_body, color="yellow", fontsize=8)
        axis.axis("off")
    figure.suptitle(f"{name} ({'presumed' if found.presumed else 'certain'})")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    figure.savefig(path, dpi=80, bbox_inches="tight")
    plt.close(figure)
    return path


def curves(run: Path, folder: Path) -> Path:
    """Draw the losses of a training run over time."""
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    figure, axis = plt.subplots(figsize=(7, 3.5))
    steps = [entry for entry in log if "parts" in entry]
    minutes = [entry["minutes"] for entry in steps]
    axis.plot(
        minutes, [entry["parts"] for entry in steps], label="structures: Dice + cross-entropy"
    )
    axis.plot(minutes, [entry["centre"] * 10 for entry in steps], label="10 x body centres")
    unseen = [entry for entry in steps if "held_out" in entry]
    for name in ("lumbar_body", "sacrum", "rib"):
        values = [entry["held_out"][name] for entry in unseen]
        places = [entry["minutes"] for entry in unseen]
        axis.plot(places, values, "o--", label=f"Dice of {name.replace('_', ' ')}, held out")
    axis.set(xlabel="minutes on two shared CPU cores", ylabel="loss, Dice", ylim=(0, 2))
    axis.legend(fontsize=7)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "spine_training.png"
    figure.savefig(path, dpi=100, bbox_inches="tight")
    plt.close(figure)
    return path


def main() -> None:
    """Draw the curves of a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    print(curves(arguments.run, arguments.out))


if __name__ == "__main__":
    main()
