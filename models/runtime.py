"""Run a network of the registry: OpenVINO on the CPU where it is installed, else PyTorch.

OpenVINO (the optional extra ``openvino``) runs the larger networks 1.3 to 3.4 times as fast as
PyTorch on a CPU (measured in pairs on two shared cores). A network is converted from its
digest-checked weights at its first use. The converted graph is cached in the user's cache folder
under the digest of the weights, and read from there only if its own digest is the recorded one.
Precision is float32.
"""

import hashlib
import json
import logging
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from models.cards import card
from models.memory import is_lack_of_memory, lack_of_memory_raised
from models.registry import network

try:
    import openvino
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
except ImportError:
    openvino = None  # an optional extra

LOGGER = logging.getLogger(__name__)
CACHE_FOLDER: Final = Path.home() / ".cache" / "osteonode" / "openvino"
EXAMPLE_SIZE: Final = {2: 64, 3: 32}
"""Side of the image for tracing, by the number of dimensions; the traced network accepts any size."""

Forward = Callable[[torch.Tensor], torch.Tensor]


def forward(name: str, device: str = "cpu") -> Forward:
    """Function from a batch of images to the logits of a network, on the fastest runtime there is.

    Parameters
    ----------
    name
        Of a model card.
    device
        OpenVINO runs on ``cpu`` only.

    Raises
    ------
    UnknownModel, DigestMismatch
        As `models.registry.network`.
    OutOfMemory
        The weights do not fit.
    """
    with lack_of_memory_raised(f"loading {name} on {device}"):
        if device == "cpu" and (compiled := openvino_forward(name)) is not None:
            return compiled
        return network(name, device)


@cache
def openvino_forward(name: str, folder: Path = CACHE_FOLDER) -> Forward | None:
    """The network compiled by OpenVINO for this CPU; ``None`` where that is not possible."""
    if openvino is None:
        LOGGER.info("openvino_missing: %s runs on PyTorch", name)
        return None
    core = openvino.Core()
    digest = card(name).sha256
    try:
        graph = _kept_graph(core, folder, digest)
        if graph is None:
            graph = _converted(name)
            _keep_graph(graph, folder, digest)
        compiled = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    except RuntimeError as error:  # what OpenVINO raises, for any reason
        if is_lack_of_memory(error):
            raise  # The result of this function is cached, but the network may fit at the next call.
        LOGGER.warning("openvino_failed: %s runs on PyTorch (%s)", name, error)
        return None

    def run(image: torch.Tensor) -> torch.Tensor:
        try:
            found: NDArray[np.float32] = compiled(np.ascontiguousarray(image.numpy()))[0]
            return torch.from_numpy(found.copy())
        except (MemoryError, RuntimeError) as error:
            if is_lack_of_memory(error):
                compiled.release_memory()  # Memory that it has allocated so far would stay allocated.
            raise

    return run


def _converted(name: str) -> Any:
    """Graph of a network, by the frontend itself: OpenVINO's convenience function sends telemetry."""
    built = network(name, "cpu")
    dimensions = 2 if any(p.dim() == 4 for p in built.parameters()) else 3
    example = torch.zeros(1, 1, *(EXAMPLE_SIZE[dimensions],) * dimensions)
    with warnings.catch_warnings():
        # PyTorch warns that tracing is deprecated, and that sizes are traced as constants.
        warnings.simplefilter("ignore")
        decoder = TorchScriptPythonDecoder(built, example_input=(example,))
        frontend = FrontEndManager().load_by_framework("pytorch")
        return frontend.convert(frontend.load(decoder))


def _files(folder: Path, digest: str) -> tuple[Path, Path, Path]:
    """Graph, its weights, and the note about both."""
    stem = f"{digest[:16]}-{openvino.__version__.split('-')[0]}"
    return folder / f"{stem}.xml", folder / f"{stem}.bin", folder / f"{stem}.json"


def _kept_graph(core: Any, folder: Path, digest: str) -> Any | None:
    graph, weights, note = _files(folder, digest)
    try:
        stated = json.loads(note.read_text(encoding="utf-8"))
        if stated != _digests(graph, weights):
            return None
    except (OSError, ValueError):
        return None
    return core.read_model(graph)


def _keep_graph(graph: Any, folder: Path, digest: str) -> None:
    path, weights, note = _files(folder, digest)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        note.unlink(missing_ok=True)
        openvino.save_model(graph, path, compress_to_fp16=False)
        note.write_text(json.dumps(_digests(path, weights)), encoding="utf-8")
    except (OSError, RuntimeError) as error:
        LOGGER.info("openvino_cache_unwritable: converted again at the next start (%s)", error)


def _digests(*paths: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
