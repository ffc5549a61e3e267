"""Real networks with too little memory: smaller steps first, then one error."""

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch

from models.errors import OsteoNodeError, OutOfMemory
from models.inference import slice_probability
from models.memory import is_lack_of_memory, lack_of_memory_raised

CHILD = """
import json, logging, resource, sys
import numpy as np, torch
from models import inference, runtime
from models.errors import OutOfMemory

torch.set_num_threads(1)
if sys.argv[1] == "pytorch":
    runtime.openvino = None
steps = []
class Steps(logging.Handler):
    def emit(self, record):
        steps.append(record.getMessage())
logging.getLogger("models.inference").addHandler(Steps())
inference.spine_probabilities("spine_3mm", np.zeros((32, 32, 32), np.float32))  # loads the network
inference.TILE = (64, 64, 64)  # so that tiles need far less than the whole volume
hu = np.zeros((256, 96, 128), np.float32)
hard = resource.getrlimit(resource.RLIMIT_AS)[1]
for megabytes in map(int, sys.argv[2:]):
    steps.clear()
    taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + megabytes * 2**20, hard))
    try:
        found = inference.spine_probabilities("spine_3mm", hu).structures
        result = {"shape": found.shape, "finite": bool(np.isfinite(found).all())}
    except Exception as error:
        result = {"error": repr(error), "is_ours": isinstance(error, OutOfMemory)}
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    print(json.dumps(result | {"steps": steps}))
"""
LITTLE_MB, ENOUGH_FOR_TILES_MB = 80, 400
"""Beyond what the process has once its network is loaded; the whole volume takes 600 and more."""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of address space")
@pytest.mark.parametrize(
    "engine",
    [
        "pytorch",
        pytest.param(
            "openvino",
            marks=pytest.mark.skipif(find_spec("openvino") is None, reason="optional extra"),
        ),
    ],
)
def test_tiles_are_tried_before_the_error_of_the_project_is_raised(engine: str) -> None:
    """The spine network with memory for tiles only, then with too little for these as well.

    The allocations fail in the libraries themselves, which raise a RuntimeError of their own.
    """
    limits = [str(ENOUGH_FOR_TILES_MB), str(LITTLE_MB)]
    run = subprocess.run(
        [sys.executable, "-c", CHILD, engine, *limits], capture_output=True, text=True, check=True
    )
    tiles, nothing = (json.loads(line) for line in run.stdout.splitlines()[-2:])

    assert tiles.get("shape") == [10, 256, 96, 128], tiles
    assert tiles["finite"]
    assert len(tiles["steps"]) == 1
    assert nothing.get("is_ours"), nothing
    assert len(nothing["steps"]) == 2


def endless_slice() -> np.ndarray[Any, np.dtype[np.float32]]:
    """A slice of 2**40 pixels that itself takes one: what a network makes of it fits nowhere."""
    pixels = torch.zeros(1, 1).expand(2**20, 2**20)
    return pixels.numpy()


def test_a_network_of_one_slice_raises_the_same_error() -> None:
    """Also where there is no smaller step."""
    with pytest.raises(OutOfMemory, match=r"chest_dcnn on cpu: .*can't allocate memory"):
        slice_probability("chest_dcnn", endless_slice())


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("std::bad_alloc"),
        MemoryError(),
    ],
)
def test_lack_of_memory_of_other_libraries_is_recognised(error: Exception) -> None:
    """Errors that are not raised here: the class of CUDA, and texts of its libraries."""
    with pytest.raises(OutOfMemory) as raised, lack_of_memory_raised("spine on cuda"):
        raise error
    assert raised.value.__cause__ is error
    assert isinstance(raised.value, MemoryError | OsteoNodeError)


def test_other_errors_pass_unchanged() -> None:
    """A wrong shape is no lack of memory."""
    with pytest.raises(RuntimeError, match="shape") as raised, lack_of_memory_raised("work"):
        torch.zeros(2, 3) @ torch.zeros(2, 3)
    assert not is_lack_of_memory(raised.value)
