"""Only weights with the digest of a card are loaded."""

import pytest
import torch

from models.cards import WEIGHTS_FOLDER, card, checked_content, model_cards
from models.errors import DigestMismatch, UnknownModel
from models.registry import network

EXAMPLES = {
    "chest_dcnn": (1, 1, 64, 64),
    "chest_fusion": (1, 2, 96, 96),
    "chest_single": (1, 1, 96, 96),
}
"""Shape of an input, where it is no volume of one channel."""


def test_a_changed_weights_file_is_refused(tmp_path):
    """One changed bit is enough."""
    described = card("spine_3mm")
    content = bytearray((WEIGHTS_FOLDER / described.file).read_bytes())
    content[-1] ^= 1
    changed = tmp_path / described.file
    changed.write_bytes(bytes(content))
    with pytest.raises(DigestMismatch):
        checked_content(changed, described.sha256)


def test_every_card_describes_a_network_that_loads_and_runs():
    """All shipped weights fit the network that their card names."""
    for described in model_cards():
        if described.kind != "network":
            continue
        built = network(described.name)
        output = built(torch.zeros(EXAMPLES.get(described.network, (1, 1, 32, 32, 32))))
        assert torch.isfinite(output).all()


def test_an_unknown_name_error_lists_the_known_names():
    """The error lists the known names."""
    with pytest.raises(UnknownModel, match="spine"):
        card("nothing")


def test_weights_stay_small_enough_for_the_repository():
    """Each file under 50 MB, all under 150 MB."""
    sizes = [path.stat().st_size for path in WEIGHTS_FOLDER.glob("*.safetensors")]
    assert max(sizes) < 50e6
    assert sum(sizes) < 150e6


def test_every_weights_file_has_a_card():
    """Every weights file has a card."""
    described = {one.file for one in model_cards()}
    patterns = ("*.safetensors", "*.coefficients.json")
    assert {path.name for one in patterns for path in WEIGHTS_FOLDER.glob(one)} == described
