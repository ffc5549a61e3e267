"""Load the density table of the site, and reload it when its file changes.

Takes  density.json
Gives  DensityTable
Next   node.jobs.dispatch
"""

from pathlib import Path

import structlog

from pipelines.contract.density_table import DensityTable, read_table
from pipelines.errors import BadDensityTable

log = structlog.get_logger(__name__)


def site_table(path: Path) -> DensityTable | None:
    """The table of the site, or ``None`` if there is no file.

    Raises
    ------
    BadDensityTable
        The file exists but cannot be used.
    """
    return read_table(path) if path.exists() else None


class SiteTable:
    """The current table; a change that cannot be used is logged, and the last good table stays.

    Parameters
    ----------
    path
        Need not exist.

    Raises
    ------
    BadDensityTable
        The file cannot be used at the start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._now()
        self._table = site_table(path)

    def current(self) -> DensityTable | None:
        """The table for the next job."""
        stamp = self._now()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._table = site_table(self._path)
            except BadDensityTable as error:
                log.error("density_table_unusable", error=str(error))  # noqa: TRY400
            else:
                log.info("density_table_read", path=str(self._path))
        return self._table

    def _now(self) -> int | None:
        try:
            return self._path.stat().st_mtime_ns
        except OSError:
            return None
