"""Draw the training curve of a run."""

import json
from pathlib import Path

import matplotlib.pyplot as plt


def draw_curve(run: Path) -> None:
    """Draw the loss in ``log.jsonl`` of a run into ``curve.png``."""
    lines = (run / "log.jsonl").read_text().splitlines()
    entries = [
        one for one in map(json.loads, lines) if "loss" in one
    ]  # no loss if all steps were skipped
    figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
    axes.plot([e["step"] for e in entries], [e["loss"] for e in entries], linewidth=1)
    axes.set(xlabel="step", ylabel="loss", yscale="log", title=run.name)
    axes.grid(alpha=0.3)
    figure.savefig(run / "curve.png", dpi=110)
    plt.close(figure)
