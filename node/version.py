"""Version of the installed package."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final


def _installed() -> str:
    try:
        return version("osteonode")
    except PackageNotFoundError:  # a bare checkout
        return "0+unknown"


VERSION: Final = _installed()
