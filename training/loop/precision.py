"""The precision of a trainer's forward pass: bfloat16 where the processor has it, else single.

A processor without instructions for bfloat16 converts every operand: a step of the hip network on a
CPU with AVX2 alone takes eleven times as long as in single precision. The user chooses nothing.

PyTorch reports what the processor can do (`torch.cpu.get_capabilities`,
`torch.cuda.is_bf16_supported`; both are public). A short timing of one convolution would be no better
guide: on one processor (AVX-512 without its bfloat16 extension) bfloat16 took between a third and
three times the time of single precision, depending on the size alone, and the networks as a whole
took between 0.5 and 2.3 times. A timing also changes with the load of the machine, and with it the
weights of a run that is repeated with the same seed.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import torch

CPU_FEATURES: Final = ("avx512_bf16", "amx_bf16")
"""Either of them makes bfloat16 fast. ARM's were not measured: there, single precision is used."""


class Precision(StrEnum):
    """How a forward pass computes; the value is what log and card say."""

    SINGLE = "single precision"
    BFLOAT16 = "bf16 autocast"
    EARLY_BFLOAT16 = "early layers in bfloat16"


def precision_of(device: str) -> Precision:
    """Precision to train with.

    Parameters
    ----------
    device
        As PyTorch names it: ``cpu``, ``cuda``, ``cuda:1``.
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
        As `torch.cpu.get_capabilities` returns them; a feature that is missing there is absent.
    """
    return any(capabilities.get(name, False) for name in CPU_FEATURES)


def autocast(device: str, precision: Precision) -> torch.autocast:
    """Context of a forward pass; it changes nothing unless all layers run in bfloat16."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=precision is Precision.BFLOAT16)
