"""Train the 3 mm spine network on simulated data only.

    python -m training.outline_3mm.train --data ../shared/data --out runs/spine --minutes 60
    python -m training.outline_3mm.train --data ../shared/data --out runs/spine --resume

Training data are virtual patients of the cohort (computed once, kept under ``--cache``). If the
``--data`` folder has the ICRP 110 phantoms, these and real bone masks composed into them are added.
No real CT is used. The trainer writes ``checkpoint.safetensors`` and ``state.json`` (for
``--resume``), ``weights.safetensors`` (moving average) and ``log.jsonl``, which also holds the Dice on
held-out patients. ``python -m training.evaluate.pictures`` draws the log.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from monai.losses import DiceCELoss
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from models.networks.spine_3mm import spine_3mm_network
from training.cohort.icrp110.organ_maps import reference_specimen
from training.cohort.icrp110.specimen import Specimen, kept, virtual_specimen
from training.cohort.people.form import TRAINING_FAMILIES
from training.loop.about import Kind, Source, settings_of, used_sources
from training.loop.checkpoint import TrainingState
from training.loop.command import CACHE, patch_trainer_parser, print_run
from training.loop.patches import LEARNING_RATE, Losses, Pace, output_of, start, train_on
from training.outline_3mm.composed import composed_specimen
from training.outline_3mm.held_out import dice_by_structure
from training.outline_3mm.losses import structures_and_centre
from training.outline_3mm.sampler import Sample, samples

FIRST_SEED = 1000
HELD_OUT_SEED = 9000


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of one training run."""

    out: Path
    data: Path | None = None
    cache: Path = CACHE
    minutes: float = 60.0
    patients: int = 48
    varied: int = 24
    composed: int = 24
    held_out: int = 16
    rate: float = LEARNING_RATE
    workers: int = 1
    threads: int = 1
    device: str = "cpu"
    resume: bool = False
    seed: int = 0
    steps: int | None = None
    log_every: int = 50
    start_from: Path | None = None


class Patches(IterableDataset[dict[str, torch.Tensor]]):
    """Endless random patches; every worker has its own stream."""

    def __init__(self, config: Config, first_step: int) -> None:
        self.config, self.first_step = config, first_step

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        """Load the specimens in the worker that uses them."""
        torch.set_num_threads(1)
        worker = get_worker_info()
        seed = self.config.seed + 1000 * self.first_step + (worker.id if worker else 0)
        for sample in samples(load_specimens(self.config, seed), seed):
            yield as_batch(sample)


def as_batch(sample: Sample) -> dict[str, torch.Tensor]:
    """Make a batch of one example, because patches differ in size."""
    return {
        "image": sample.image[None],
        "labels": sample.labels[None, None],
        "heat": sample.heat[None, None],
    }


def load_specimens(config: Config, seed: int) -> list[Specimen]:
    """Virtual patients, and the ICRP phantoms with random vertebrae if the data folder has them."""
    rng = np.random.default_rng(seed)
    seeds = [FIRST_SEED + number for number in range(config.patients)]
    found = [virtual_specimen(seed, config.cache) for seed in seeds]
    found += [
        virtual_specimen(
            FIRST_SEED + number, config.cache, TRAINING_FAMILIES[number % len(TRAINING_FAMILIES)]
        )
        for number in range(config.varied)
    ]
    if config.data is not None and (config.data / "icrp110").is_dir():
        found += [
            reference_specimen(which, config.data, rng=rng) for which in ("af", "am") for _ in "123"
        ]
        found += [_composed(FIRST_SEED + number, config) for number in range(config.composed)]
    return found


def _composed(seed: int, config: Config) -> Specimen:
    data = config.data
    assert data is not None
    path = config.cache / f"composed{seed:04d}.npz"
    return kept(path, lambda: composed_specimen(seed, data, held_out=seed >= HELD_OUT_SEED))


def held_out_batches(config: Config) -> list[dict[str, torch.Tensor]]:
    """Fixed patches of patients that are not in the training data."""
    number = config.held_out
    if not number:
        return []
    stream = samples(held_out_specimens(config), HELD_OUT_SEED)
    return [as_batch(next(stream)) for _ in range(number)]


def held_out_specimens(config: Config) -> list[Specimen]:
    """Virtual patients and composed specimens that are not in the training data."""
    specimens = [virtual_specimen(HELD_OUT_SEED + n, config.cache) for n in range(2)]
    if config.data is not None and (config.data / "icrp110").is_dir():
        specimens += [_composed(HELD_OUT_SEED + n, config) for n in range(2)]
    return specimens


def train(config: Config) -> TrainingState:
    """Train for the given minutes or steps."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    run = start(
        spine_3mm_network(),
        config.out,
        config.device,
        seed=config.seed,
        resume=config.resume,
        start_from=config.start_from,
        settings=settings_of(config),
        sources=sources_of(config),
    )
    criterion = DiceCELoss(to_onehot_y=True, softmax=True, include_background=False)
    unseen = held_out_batches(config)

    def losses(batch: dict[str, torch.Tensor]) -> Losses:
        batch = {name: value.to(config.device) for name, value in batch.items()}
        output = output_of(run, batch["image"], config.device)
        structures, centre = structures_and_centre(output, batch, criterion)
        return {"parts": structures, "centre": centre}

    train_on(
        run,
        DataLoader(Patches(config, run.step), batch_size=None, num_workers=config.workers),
        losses,
        Pace(
            out=config.out,
            minutes=config.minutes,
            steps=config.steps,
            rate=config.rate,
            log_every=config.log_every,
        ),
        measured=partial(dice_by_structure, batches=unseen) if unseen else None,
    )
    return run


def sources_of(config: Config) -> tuple[Source, ...]:
    """Training data of `load_specimens`, for the record of the run."""
    found = [
        Source(kind=Kind.VIRTUAL, count=config.patients, what="of training/cohort"),
        Source(kind=Kind.VIRTUAL, count=config.varied, what="of wider figures and with findings"),
    ]
    if config.data is not None and (config.data / "icrp110").is_dir():
        found += [
            Source(kind=Kind.PHANTOM, count=2, what="of ICRP 110, three random spines each"),
            Source(
                kind=Kind.SHAPES,
                count=config.composed,
                what="compositions of vertebra masks (VerSe) and hip masks (Hip-Joints AutoSeg) in "
                "these phantoms",
                licence="CC BY-SA 4.0; MIT",
            ),
        ]
    return used_sources(found)


def main() -> None:
    """Command line."""
    parser = patch_trainer_parser(__doc__, minutes=60, patients=48)
    parser.add_argument(
        "--varied",
        type=int,
        default=24,
        help="virtual patients of two wider families, with findings",
    )
    parser.add_argument("--composed", type=int, default=24, help="composed specimens")
    parser.add_argument("--held-out", type=int, default=16, help="patches for the held-out Dice")
    print_run(train(Config(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
