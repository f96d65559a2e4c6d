"""The unit as systemd reads it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.peers.programs import path_of

UNIT = Path(__file__).resolve().parents[2] / "deploy" / "watcher.service"


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "watcher.service"
    # The program must be there.
    text = re.sub(r"(?<=^ExecStart=)\S+", sys.executable, UNIT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    unit.write_text(text, encoding="utf-8")
    command = [path_of("systemd-analyze", "systemd"), "verify", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
