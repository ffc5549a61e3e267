"""Train the 3 mm hip network, the first stage of the femur cascade, on simulated data only.

    python -m training.outline_3mm.train_hips --data ../shared/data --out runs/hips --minutes 30
    python -m training.outline_3mm.train_hips --data ../shared/data --out runs/hips --resume
    python -m training.outline_3mm.train_hips --data ../shared/data --out runs/more --start-from FILE

Patients, deformations and the random scanner are those of the spine network. Most patches lie around
the pelvis. Some lie anywhere, so that the network does not label arms and ribs as femora. A third of
the patches show one hip painted as for the 1 mm network (`training.outline_3mm.painted_hips`). The
loss is the study's focal loss (docs/domain.md 1.D) plus Dice. Alone the network labels other bones as
femora too, so the product combines it with the spine network (`pipelines.locate.coarse_hips`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from monai.losses import DiceFocalLoss
from torch.utils.data import DataLoader, IterableDataset

from models.networks.hips_3mm import hips_3mm_network
from models.structures_3mm import HipStructure, Structure
from training.cohort.icrp110.specimen import Specimen
from training.loop.about import Source, settings_of
from training.loop.checkpoint import TrainingState
from training.loop.command import CACHE, patch_trainer_parser, print_run
from training.loop.patches import LEARNING_RATE, Losses, Pace, output_of, start, train_on
from training.outline_1mm.femur import FemurShelf, femur_shelf, femur_sources_of
from training.outline_3mm.painted_hips import painted_hip
from training.outline_3mm.sampler import draw, network_input
from training.outline_3mm.train import Config as SpineConfig
from training.outline_3mm.train import held_out_specimens, load_specimens
from training.outline_3mm.train import sources_of as spine_sources_of

PATCH: Final = (64, 64, 96)
"""Voxels of 3 mm: 19 cm along the body; the width holds both hips."""
ELSEWHERE: Final = 0.25
"""Share of patches that may lie anywhere."""
PAINTED: Final = 0.35
"""Share of patches that show one hip painted as for the 1 mm network."""
AROUND_MM: Final = 60.0
HELD_OUT_SEED: Final = 9000
PART_OF: Final = {
    Structure.FEMUR_LEFT: HipStructure.FEMUR,
    Structure.FEMUR_RIGHT: HipStructure.FEMUR,
    Structure.HIP_BONE: HipStructure.HIP_BONE,
    Structure.SACRUM: HipStructure.SACRUM,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of one training run."""

    out: Path
    data: Path | None = None
    cache: Path = CACHE
    minutes: float = 30.0
    patients: int = 24
    varied: int = 24
    composed: int = 36
    held_out: int = 24
    steps: int | None = None
    workers: int = 1
    threads: int = 1
    device: str = "cpu"
    resume: bool = False
    seed: int = 0
    rate: float = LEARNING_RATE
    start_from: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One example: (1, 1, slices, rows, columns) input and ``HipStructure``."""

    image: torch.Tensor
    labels: torch.Tensor


def patches(
    specimens: Sequence[Specimen], seed: int, shelf: FemurShelf | None = None
) -> Iterator[Patch]:
    """Endless stream of random patches; with a ``shelf``, some show a single hip."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    pelves = [around_the_hips(one) for one in specimens]
    while True:
        if shelf is not None and rng.random() < PAINTED:
            hu, labels = painted_hip(shelf, rng)
            yield Patch(image=network_input(hu)[None, None], labels=labels[None, None])
            continue
        which = int(rng.integers(len(specimens)))
        source = specimens[which] if rng.random() < ELSEWHERE else pelves[which]
        sample = draw(source, rng, PATCH)
        yield Patch(image=sample.image[None], labels=_hip_labels(sample.labels)[None, None])


def around_the_hips(specimen: Specimen) -> Specimen:
    """Crop a specimen to the slices with femora and a margin above and below."""
    femora = np.isin(specimen.parts, (Structure.FEMUR_LEFT, Structure.FEMUR_RIGHT))
    heights = np.flatnonzero(femora.any(axis=(1, 2)))
    if len(heights) == 0:
        return specimen
    margin = round(AROUND_MM / specimen.spacing_mm)
    low = max(0, int(heights[0]) - margin)
    high = min(len(specimen.parts), int(heights[-1]) + margin)
    ribs = specimen.last_ribs_mm
    return replace(
        specimen,
        image=specimen.image[low:high],
        parts=specimen.parts[low:high],
        centres=specimen.centres - np.array([low, 0, 0], np.float32),
        last_ribs_mm=None if ribs is None else ribs[low:high],
    )


def _hip_labels(labels: torch.Tensor) -> torch.Tensor:
    table = torch.zeros(len(Structure), dtype=torch.int64)
    for structure, part in PART_OF.items():
        table[int(structure)] = int(part)
    return table[labels]


class Patches(IterableDataset[Patch]):
    """The stream of one worker process."""

    def __init__(self, config: Config, first_step: int) -> None:
        self.config, self.first_step = config, first_step

    def __iter__(self) -> Iterator[Patch]:
        """Load the specimens in the worker that uses them."""
        torch.set_num_threads(1)
        seed = self.config.seed + 1000 * self.first_step
        shelf = femur_shelf(
            self.config.data, self.config.cache / "femur", patients=self.config.patients
        )
        yield from patches(load_specimens(spine_config(self.config), seed), seed, shelf)


def spine_config(config: Config) -> SpineConfig:
    """Configuration of the spine network's trainer with the same specimens."""
    return SpineConfig(
        out=config.out,
        data=config.data,
        cache=config.cache,
        patients=config.patients,
        varied=config.varied,
        composed=config.composed,
    )


def train(config: Config) -> TrainingState:
    """Train for the given minutes or steps."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    run = start(
        hips_3mm_network(),
        config.out,
        config.device,
        seed=config.seed,
        resume=config.resume,
        start_from=config.start_from,
        settings=settings_of(config),
        sources=sources_of(config),
    )
    criterion = DiceFocalLoss(to_onehot_y=True, softmax=True, include_background=False)
    unseen = held_out_patches(config)

    def losses(patch: Patch) -> Losses:
        output = output_of(run, patch.image, config.device)
        return {"loss": criterion(output, patch.labels.to(config.device))}

    train_on(
        run,
        DataLoader(Patches(config, run.step), batch_size=None, num_workers=config.workers),
        losses,
        Pace(
            out=config.out,
            minutes=config.minutes,
            steps=config.steps,
            rate=config.rate,
            log_every=25,
            measure_every=500,
        ),
        measured=partial(held_out_dice, unseen=unseen) if unseen else None,
    )
    return run


def held_out_patches(config: Config) -> list[Patch]:
    """Fixed patches of patients that are not in the training data."""
    if not config.held_out:
        return []
    stream = patches(held_out_specimens(spine_config(config)), HELD_OUT_SEED)
    return [next(stream) for _ in range(config.held_out)]


def held_out_dice(weights: dict[str, torch.Tensor], unseen: Sequence[Patch]) -> dict[str, float]:
    """Dice of every structure over all patches together."""
    network = hips_3mm_network()
    network.load_state_dict(weights)
    network.eval()
    overlap, total = torch.zeros(len(HipStructure)), torch.zeros(len(HipStructure))
    with torch.inference_mode():
        for patch in unseen:
            found = network(patch.image).argmax(dim=1).flatten()
            truth = patch.labels.flatten()
            overlap += torch.bincount(found[found == truth], minlength=len(HipStructure))
            total += torch.bincount(found, minlength=len(HipStructure))
            total += torch.bincount(truth, minlength=len(HipStructure))
    dice = 2 * overlap / total.clamp(min=1)
    return {part.name.lower(): round(float(dice[part]), 4) for part in HipStructure if part}


def sources_of(config: Config) -> tuple[Source, ...]:
    """Training data for the record of the run: specimens of the spine network and painted hips."""
    return (
        *spine_sources_of(spine_config(config)),
        *femur_sources_of(config.data, config.patients),
    )


def main() -> None:
    """Command line."""
    parser = patch_trainer_parser(__doc__, minutes=30, patients=24)
    parser.add_argument(
        "--varied",
        type=int,
        default=24,
        help="virtual patients of two wider families, with findings",
    )
    parser.add_argument("--composed", type=int, default=36, help="composed specimens")
    parser.add_argument("--held-out", type=int, default=24, help="patches for the held-out Dice")
    print_run(train(Config(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
