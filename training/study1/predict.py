"""Predictions of a trained network of study 1, and of the baseline on mean HU."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from sklearn.linear_model import LinearRegression, LogisticRegression

from models.inference import mirror_mean
from pipelines.secondary.dxa_equivalent.network_input import Normalization
from training.loop.checkpoint import STATE, WEIGHTS
from training.study1.examples import Example
from training.study1.train import Config, build, fill_bank

Values = NDArray[np.float64]


def predict(examples: Sequence[Example], config: Config) -> Values:
    """Run the network of ``config.out`` on images and their mirror images, as the product does.

    Parameters
    ----------
    config
        Task, device and folder; stride and normalisation as in the training.

    Returns
    -------
    (vertebrae,) g/cm2, or (vertebrae, 3) probabilities
    """
    notes = json.loads((config.out / STATE).read_text(encoding="utf-8"))["notes"]
    slices, rows, columns = notes["stride"]
    stride = (slices, rows, columns)
    config = replace(config, stride=stride, normalization=Normalization(notes["norm"]))
    network = build(config.task)
    network.load_state_dict(load_file(config.out / WEIGHTS))
    network.eval().to(config.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    images = fill_bank(examples, config).images

    def run(part: torch.Tensor) -> torch.Tensor:
        output = network(part).double()
        return output if config.task == "bmd" else torch.softmax(output, dim=1)

    outputs = []
    with torch.inference_mode():
        for part in images.split(config.micro):
            outputs.append(mirror_mean(run, part.to(config.device).float(), maps=False).cpu())
    output = np.asarray(torch.cat(outputs))
    return np.asarray(output[:, 0] if config.task == "bmd" else output)


def baseline(train: Sequence[Example], test: Sequence[Example]) -> tuple[Values, Values]:
    """Predict areal density and class probabilities from the mean HU of the core alone.

    The models are a straight line and a multinomial logistic regression, fitted on the training part.
    """
    x_train, x_test = (np.array([[e.core_hu] for e in part]) for part in (train, test))
    line = LinearRegression().fit(x_train, [e.abmd_g_cm2 for e in train])
    scale = float(x_train.std())
    classes = LogisticRegression(C=1e6, max_iter=1000).fit(
        x_train / scale, [e.status for e in train]
    )
    probabilities = np.zeros((len(test), 3))
    probabilities[:, classes.classes_] = classes.predict_proba(x_test / scale)
    return np.asarray(line.predict(x_test)), probabilities
