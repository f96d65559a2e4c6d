"""Completion in a real fish."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.peers.programs import path_of
from watcher.config.env.settings import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parents[2]
HANG_SECONDS = 120
SCRIPT = """\
watcher completion fish | source
for line in $argv
    complete --do-complete "$line"
    echo
end
"""
CONFIG = """\
urls:
  - address: https://u:secret@c.example/x?token=secret
  - {name: "Shop, EU", address: https://e.example/}
"""


def test_whole_names_and_help_are_offered(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / ".env").write_text("CONFIG_FILE_PATH=config.yaml\n", encoding="utf-8")
    offered = {
        "watcher failu": ["failures\tShow stored failures, newest first."],
        "watcher check Sh": ["Shop, EU"],
        "watcher check 'Shop, ": ["Shop, EU"],
        "watcher check https://c": ["https://c.example/x?token=***"],
        "watcher failures --target=Sh": ["--target=Shop, EU"],
        "watcher failures --reason ti": ["timeout"],
    }
    assert dict(zip(offered, _in_fish(tmp_path, offered), strict=True)) == offered


def _in_fish(folder: Path, lines: Iterable[str]) -> list[list[str]]:
    """Return what fish offers for each line, with the help for it."""
    program = folder / "bin" / "watcher"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m watcher "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if key not in DEFAULTS}
    path = f"{program.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [path_of("fish", "fish"), "--no-config", "--command", SCRIPT, *lines],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT), "PATH": path, "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=True,
    )
    assert done.stderr == ""
    return [block.splitlines() for block in re.findall(r"((?:.+\n)*)\n", done.stdout)]
