"""Translate the errors of NumPy, PyTorch and OpenVINO for lack of memory to `OutOfMemory`.

NumPy raises ``MemoryError``, PyTorch a ``RuntimeError`` (on CUDA its subclass
``torch.OutOfMemoryError``), OpenVINO a ``RuntimeError``. The last two name the cause in their text only.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from models.errors import OutOfMemory

LACK_OF_MEMORY: Final = re.compile(
    r"can't allocate memory"  # PyTorch, CPU: DefaultCPUAllocator
    r"|out of memory"  # CUDA
    r"|failed to allocate"  # OpenVINO, CPU plug-in
    r"|bad_alloc"  # operator new, in either
    r"|ALLOC_FAILED",  # cuDNN and cuBLAS
    re.IGNORECASE,
)


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether an error of NumPy, PyTorch or OpenVINO means that an allocation failed."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and LACK_OF_MEMORY.search(str(error)) is not None


@contextmanager
def lack_of_memory_raised(work: str) -> Iterator[None]:
    """Raise `OutOfMemory` for a failed allocation of any library; other errors pass unchanged.

    Parameters
    ----------
    work
        What needed the memory, for the message.

    Raises
    ------
    OutOfMemory
        An allocation failed.
    """
    try:
        yield
    except OutOfMemory:
        raise
    except (MemoryError, RuntimeError) as error:
        if not is_lack_of_memory(error):
            raise
        raise OutOfMemory(
            f"{work}: {_first_line(error)}", "more free memory", "run fewer workers at once"
        ) from error


def _first_line(error: BaseException) -> str:
    """The line that names the failed allocation, or the class where there is no such line."""
    lines = [line for line in str(error).splitlines() if LACK_OF_MEMORY.search(line)]
    return lines[0].strip() if lines else str(error) or type(error).__name__
