"""Precision of a trainer's forward pass: bfloat16 if the processor supports it, else single.

A processor without instructions for bfloat16 converts every operand. On a CPU with AVX2 only, a step
of the hip network takes eleven times as long as in single precision. There is no option for it.

PyTorch reports the features of the processor (`torch.cpu.get_capabilities`,
`torch.cuda.is_bf16_supported`; both are public). Timing one convolution is less reliable. On one
processor (AVX-512 without its bfloat16 extension) bfloat16 took between a third and three times the
time of single precision, depending on the size alone. Whole networks took between 0.5 and 2.3 times.
A timing also depends on the load of the machine, so that two runs with the same seed could differ in
precision and thus in their weights.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import torch

CPU_FEATURES: Final = ("avx512_bf16", "amx_bf16")
"""Either feature makes bfloat16 fast. ARM was not measured and uses single precision."""


class Precision(StrEnum):
    """Precision of a forward pass; the value stands in the log and in the card."""

    SINGLE = "single precision"
    BFLOAT16 = "bf16 autocast"
    EARLY_BFLOAT16 = "early layers in bfloat16"


def precision_of(device: str) -> Precision:
    """Choose the precision for training on a device.

    Parameters
    ----------
    device
        Name in PyTorch: ``cpu``, ``cuda``, ``cuda:1``.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        with torch.cuda.device(device):
            is_fast = bool(torch.cuda.is_bf16_supported(including_emulation=False))
    else:
        is_fast = kind == "cpu" and has_bfloat16(torch.cpu.get_capabilities())
    return Precision.BFLOAT16 if is_fast else Precision.SINGLE


def has_bfloat16(capabilities: Mapping[str, Any]) -> bool:
    """Whether a CPU has instructions for bfloat16.

    Parameters
    ----------
    capabilities
        Result of `torch.cpu.get_capabilities`; a missing feature counts as absent.
    """
    return any(capabilities.get(name, False) for name in CPU_FEATURES)


def autocast(device: str, precision: Precision) -> torch.autocast:
    """Context of a forward pass; it is active only if all layers run in bfloat16."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=precision is Precision.BFLOAT16)
