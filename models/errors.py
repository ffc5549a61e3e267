"""The root of the error tree and the errors of the model layer.

It lies in the lowest layer so that every other layer can import it. ``node/errors.py``
draws the whole tree.
"""

from typing import ClassVar


class OsteoNodeError(Exception):
    """A step cannot continue.

    Three positional arguments, because keyword-only arguments do not survive pickling and
    errors cross process borders.

    Parameters
    ----------
    found
        What was found, with its value.
    expected
        What was expected instead.
    remedy
        What the reader can do about it.
    """

    retryable: ClassVar[bool] = False

    def __init__(self, found: str, expected: str = "", remedy: str = "") -> None:
        super().__init__(found, expected, remedy)
        self.found = found
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        parts = [self.found]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.remedy:
            parts.append(self.remedy)
        return "; ".join(parts)


class ModelError(OsteoNodeError):
    """A network or its weights cannot be used."""


class DigestMismatch(ModelError):
    """A weights file is not the one its card describes."""


class UnknownModel(ModelError):
    """No card of that name is in the registry."""


class OutOfMemory(ModelError, MemoryError):
    """A network does not fit into the memory of the processor or of the accelerator.

    Also a ``MemoryError``, so that one ``except MemoryError`` covers NumPy, PyTorch and OpenVINO.
    """

    retryable: ClassVar[bool] = True
