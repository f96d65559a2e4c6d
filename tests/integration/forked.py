"""Runs commands in processes forked off one that has imported everything, so that they need not wait for imports.

`python -m tests.integration.forked` reads one command per line, and writes its exit status when it has ended.
"""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

import watcher.cli.commands
from tests.integration.daemon import PROJECT
from watcher.cli import main

if TYPE_CHECKING:
    from collections.abc import Mapping

# Modules that commands import where they need them.
_LATE = ("watcher.daemon.errors", "watcher.embedded_postgres.server", "watcher.log", "watcher.postgres.reader")


@dataclass
class Commands:
    """The process that commands are forked off."""

    process: subprocess.Popen[str]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.communicate()

    @classmethod
    def start(cls) -> Self:
        """Start it."""
        command = [sys.executable, "-m", "tests.integration.forked"]
        return cls(subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))

    def run(self, folder: Path, variables: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end; blocks.

        Args:
            folder: its working folder.
            variables: its whole environment, without the variables that Python itself reads when it starts.
            arguments: of `watcher`.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with TemporaryDirectory() as written:
            command = {"folder": str(folder), "variables": dict(variables), "arguments": arguments, "written": written}
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
            status = int(self.process.stdout.readline())
            out, err = ((Path(written) / name).read_bytes() for name in ("out", "err"))
        return subprocess.CompletedProcess(arguments, status, out, err)


def _serve() -> None:
    for module in (*_LATE, *(found.name for found in pkgutil.iter_modules(watcher.cli.commands.__path__, _PREFIX))):
        import_module(module)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _be(**json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _be(folder: str, variables: dict[str, str], arguments: list[str], written: str) -> None:
    """Become the command."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{written}/{name}", os.O_WRONLY | os.O_CREAT), descriptor)
    sys.argv = ["watcher", *arguments]
    status = 0
    try:
        main()
    except SystemExit as end:
        status = int(end.code or 0)
    except Exception:  # noqa: BLE001  # as Python itself does at its end
        status = 1
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


_PREFIX = f"{watcher.cli.commands.__name__}."

if __name__ == "__main__":
    _serve()
