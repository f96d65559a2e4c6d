"""PostgreSQL's postmaster.pid: whether the server runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from pathlib import Path


class PidFile:
    """The file whose first line is the process number of the server; see "Database File Layout" in its manual."""

    def __init__(self, path: Path) -> None:
        """Name the file; it need not be there."""
        self._path = path

    def running_pid(self) -> int | None:
        """Return the process number of the server, None where it does not run."""
        process = self._process()
        try:
            if process is None or process.status() == psutil.STATUS_ZOMBIE:
                return None
            return process.pid if process.name().startswith("postgres") else None
        except psutil.Error:
            return None

    def remove_stale(self) -> None:
        """Remove the file of a crashed server whose number another program has got since: it would stop the start.

        While the number is free, PostgreSQL itself knows better what to do with the file.
        """
        if self._process() is not None and self.running_pid() is None:
            self._path.unlink()

    def _process(self) -> psutil.Process | None:
        try:
            return psutil.Process(int(self._path.read_text(encoding="utf-8").partition("\n")[0]))
        except (OSError, ValueError, psutil.Error):
            return None
