"""Choice of the program for the radiomic features: the node's own code, or pyradiomics.

Takes  radiomics.engine of the settings, --engine of the training commands
Gives  Engine
Next   pipelines.radiomics.extract

The native engine is the default. The project prefers a kept library to own code, even a slower one;
this is the one exception. The native engine is about ten times faster in the main path of the
product, and its features equal those of pyradiomics to 5e-11 (``python -m benchmarks.radiomics``;
the tests allow 1e-6). The extra ``radiomics`` installs pyradiomics and needs a C compiler.

Free of numerical libraries, so that the node can import it.
"""

import importlib.util
from enum import StrEnum

from pipelines.errors import EngineNotInstalled


class Engine(StrEnum):
    """Program that computes the features."""

    NATIVE = "native"
    PYRADIOMICS = "pyradiomics"


def require_engine(engine: Engine) -> None:
    """Refuse an engine that is not installed; nothing is loaded.

    Raises
    ------
    EngineNotInstalled
        pyradiomics is not installed.
    """
    if engine is Engine.PYRADIOMICS and importlib.util.find_spec("radiomics") is None:
        raise EngineNotInstalled(
            "radiomics engine pyradiomics, which is not installed",
            "the optional dependency radiomics in the environment of every worker",
            'run pip install -c constraints.txt "osteonode[radiomics]", or choose the engine native',
        )
