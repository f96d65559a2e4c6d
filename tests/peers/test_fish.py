"""Completion in a real fish."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.programs import path_of
from watcher.config.env.settings import DEFAULTS

ROOT = Path(__file__).resolve().parents[2]
HANG_SECONDS = 120
SCRIPT = 'watcher completion fish | source; complete --do-complete "$argv[1]"'
CONFIG = """\
urls:
  - address: https://u:secret@c.example/x?token=secret
  - {name: "Shop, EU", address: https://e.example/}
"""


def in_fish(folder: Path, line: str) -> list[str]:
    """Return what fish offers for a line, with the help for it."""
    environment = {key: value for key, value in os.environ.items() if key not in DEFAULTS}
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    (bin_folder / "watcher").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m watcher "$@"\n', encoding="utf-8")
    (bin_folder / "watcher").chmod(0o755)
    path = f"{bin_folder}:{os.environ['PATH']}"
    done = subprocess.run(
        [path_of("fish", "fish"), "--no-config", "--command", SCRIPT, line],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT), "PATH": path, "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("watcher failu", ["failures\tShow the failures that were stored, newest first."]),
        ("watcher check Sh", ["Shop, EU"]),
        ("watcher check 'Shop, ", ["Shop, EU"]),
        ("watcher check https://c", ["https://c.example/x?token=***"]),
        ("watcher failures --target=Sh", ["--target=Shop, EU"]),
        ("watcher failures --reason ti", ["timeout"]),
    ],
)
def test_whole_names_and_help_are_offered(tmp_path: Path, line: str, offered: list[str]) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / ".env").write_text("CONFIG_FILE_PATH=config.yaml\n", encoding="utf-8")
    assert in_fish(tmp_path, line) == offered
