"""OpenVINO in place of PyTorch: the same output and weights, and PyTorch without it."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from models import runtime
from models.registry import network

TOLERANCE = 0.02
"""Of a probability; float32 sums in another order."""

needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="optional extra")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("openvino")


@needs_openvino
def test_openvino_and_pytorch_agree(folder):
    """Same probabilities for a volume of another size than the one it was traced with."""
    image = torch.randn(1, 1, 48, 32, 64, generator=torch.Generator().manual_seed(1))
    compiled = runtime.openvino_forward("spine_3mm", folder)
    assert compiled is not None
    with torch.inference_mode():
        there = network("spine_3mm")(image).softmax(dim=1).numpy()
    assert np.abs(compiled(image).softmax(dim=1).numpy() - there).max() < TOLERANCE


@needs_openvino
def test_a_kept_graph_that_was_changed_is_converted_again(folder, monkeypatch):
    """Its digest is recorded beside it."""
    runtime.openvino_forward("spine_3mm", folder)
    note = next(folder.glob("*.json"))
    weights = next(folder.glob("*.bin"))
    content = bytearray(weights.read_bytes())
    content[100] ^= 1
    weights.write_bytes(bytes(content))
    runtime.openvino_forward.cache_clear()
    runtime.openvino_forward("spine_3mm", folder)
    assert json.loads(note.read_text()) == runtime._digests(weights.with_suffix(".xml"), weights)
    assert weights.read_bytes() != bytes(content)


def test_without_openvino_pytorch_runs(monkeypatch, tmp_path):
    """The extra is optional."""
    monkeypatch.setattr("models.runtime.openvino", None)
    runtime.openvino_forward.cache_clear()
    try:
        assert runtime.openvino_forward("spine_3mm", tmp_path) is None
        assert isinstance(runtime.forward("spine_3mm"), torch.nn.Module)
    finally:
        runtime.openvino_forward.cache_clear()


@needs_openvino
def test_a_folder_that_cannot_be_written_does_not_stop_the_network(tmp_path):
    """The graph is then converted at every start."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert runtime.openvino_forward("spine_3mm", blocked / "cache") is not None
