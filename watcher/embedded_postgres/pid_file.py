"""Reads PostgreSQL's postmaster.pid, to find whether the server runs."""

from __future__ import annotations

from pathlib import Path

import psutil


class PidFile:
    """The file whose first line is the process number of the server; see "Database File Layout" in its manual."""

    def __init__(self, path: Path) -> None:
        """Set the file, which need not exist."""
        self._path = path

    def running_pid(self) -> int | None:
        """Return the process number of the server, None if it does not run."""
        process = self._process()
        return process.pid if process is not None and self._is_ours(process) else None

    def remove_stale(self) -> None:
        """Remove the file of a crashed server whose number another program now has, since it would prevent the start.

        While the number is free, PostgreSQL itself handles the file better.
        """
        process = self._process()
        if process is not None and not self._is_ours(process):
            self._path.unlink()

    def _is_ours(self, process: psutil.Process) -> bool:
        """Return whether a process is this server: its number may have passed on, even to another PostgreSQL server."""
        try:
            if process.status() == psutil.STATUS_ZOMBIE or not process.name().startswith("postgres"):
                return False
            return Path(process.cwd()) == self._path.parent
        except psutil.AccessDenied:
            return True  # root without the right to look closer: counts as ours, so that it is not harmed
        except psutil.Error:
            return False

    def _process(self) -> psutil.Process | None:
        try:
            return psutil.Process(int(self._path.read_text(encoding="utf-8").partition("\n")[0]))
        except (OSError, ValueError, psutil.Error):
            return None
