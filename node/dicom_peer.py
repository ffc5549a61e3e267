"""The address of a DICOM application entity that the node or a tool calls."""

import re
from dataclasses import dataclass
from typing import Final

from node.errors import ConfigError

DEFAULT_CALLING_AE_TITLE: Final = "OSTEOSEND"
"""Calling AE title of the tools, which are not the node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A DICOM application entity, written ``AET@HOST:PORT``.

    Parameters
    ----------
    calling_ae_title
        AE title of the caller in associations with it.
    """

    ae_title: str
    host: str
    port: int
    calling_ae_title: str = DEFAULT_CALLING_AE_TITLE

    @classmethod
    def parse(cls, text: str, *, calling_ae_title: str = DEFAULT_CALLING_AE_TITLE) -> "Peer":
        """Read ``AET@HOST:PORT``.

        Raises
        ------
        ConfigError
            The text has another form.
        """
        match = re.fullmatch(r"([^@\\]{1,16})@(.+):(\d{1,5})", text)
        if match is None:
            raise ConfigError(
                f"{text!r} is no DICOM peer", "AET@HOST:PORT", "e.g. PACS@10.0.0.5:104"
            )
        ae_title, host, port = match.groups()
        return cls(
            ae_title=ae_title,
            host=host.strip("[]"),
            port=int(port),
            calling_ae_title=calling_ae_title,
        )

    def __str__(self) -> str:
        return f"{self.ae_title}@{self.host}:{self.port}"
