"""The version of everything that decides a result: part of every job key. Free of torch.

A job key names the content, the models and this generation (`pipelines.contract.job.job_key`). The
same key reuses the old outcome, so a change of results needs a new key. New weights change the
key automatically. A change of code changes it only when ``GENERATION`` is raised.
``tests/pipelines/contract/test_generation.py`` fails when code or weights changed and neither the
generation nor the recorded digests did.
"""

import hashlib
from typing import Final

from models.cards import model_cards

GENERATION: Final = 5
"""Raise it when the same series would have another result: number, code, status or outline."""


def model_set_version() -> str:
    """Short digest over all weights and the generation.

    Returns
    -------
    str
        12 hexadecimal digits.
    """
    models = [f"{one.name} {one.version} {one.sha256}" for one in model_cards()]
    text = "\n".join([str(GENERATION), *models])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
