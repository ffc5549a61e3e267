"""Networks have the same output on every device of this machine, and can be trained on it.

Without an accelerator the product's runtime on the CPU takes the place of CUDA, so that the same
tests run everywhere; ``make gpu-check`` runs them where there is one.
"""

import pytest
import torch
from torch.nn import functional

from models.cards import WEIGHTS_FOLDER, ModelCard, model_cards
from models.inference import default_device
from models.networks.residual import residual_classifier
from models.registry import network
from models.runtime import forward
from training.loop.precision import autocast, precision_of

pytestmark = pytest.mark.gpu

NETWORKS = [
    one for one in model_cards() if one.kind == "network" and (WEIGHTS_FOLDER / one.file).exists()
]
SIDE = {4: 64, 5: 32}
"""Side of the test image, by the dimensions of the first weights."""
TOLERANCE = 0.02
"""Of a probability, or of 1 g/cm2: single precision sums in another order on each device."""
STEPS = 8
L1_AND_L2 = "chest_fusion"
"""The one network with two channels."""


def image_for(name: str, built: torch.nn.Module) -> torch.Tensor:
    """Noise of the number of channels and dimensions that a network takes."""
    dimensions = next(p.dim() for p in built.parameters() if p.dim() in SIDE)
    side = SIDE[dimensions]
    shape = (1, 2 if name == L1_AND_L2 else 1, *(side,) * (dimensions - 2))
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("card", NETWORKS, ids=lambda card: card.name)
def test_a_network_gives_the_same_answer_on_every_device(card: ModelCard) -> None:
    """PyTorch on the CPU is the reference for CUDA, and for OpenVINO where that runs."""
    device = default_device()
    reference = network(card.name)
    image = image_for(card.name, reference)
    with torch.inference_mode():
        expected = reference(image)
        found = forward(card.name, device)(image.to(device)).float().cpu()
    if expected.shape[1] > 1:
        expected, found = expected.softmax(dim=1), found.softmax(dim=1)
    assert (expected - found).abs().max().item() < TOLERANCE


def test_a_network_learns_on_the_device_in_the_precision_of_its_trainer() -> None:
    """The loss of a classifier on one fixed batch falls, and every gradient is finite."""
    device = default_device()
    torch.manual_seed(0)
    built = residual_classifier(levels=1).to(device).train()
    optimizer = torch.optim.Adam(built.parameters(), lr=1e-3)
    images = torch.randn(4, 1, 32, 32, device=device)
    classes = torch.tensor([0, 1, 2, 0], device=device)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        with autocast(device, precision_of(device)):
            output = built(images)
        loss = functional.cross_entropy(output.float(), classes)
        loss.backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in built.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


if torch.cuda.is_available():

    def test_a_full_accelerator_leaves_the_work_to_tiles_and_the_cpu() -> None:
        """A real allocation limit: the ladder of `models.inference` ends with the same map."""
        import numpy as np

        from models.inference import hip_probabilities

        name = next(one.name for one in NETWORKS if one.name.startswith("hips"))
        hu = np.random.default_rng(1).normal(40, 80, (96, 128, 128)).astype(np.float32)
        free = hip_probabilities(name, hu, "cuda")
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(64e6 / total)
        try:
            full = hip_probabilities(name, hu, "cuda")
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        assert np.abs(free - full).mean() < TOLERANCE
