"""The unit as systemd reads it, and the rights that it leaves to the daemon."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.peers.mounts import unshared
from tests.peers.programs import path_of

UNIT = Path(__file__).resolve().parents[2] / "deploy" / "watcher.service"


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "watcher.service"
    # The program must exist.
    text = re.sub(r"(?<=^ExecStart=)\S+", sys.executable, UNIT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    unit.write_text(text, encoding="utf-8")
    command = [path_of("systemd-analyze", "systemd"), "verify", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_metrics_need_nothing_that_the_unit_hides() -> None:
    assert "ProcSubset=pid" in UNIT.read_text(encoding="utf-8")
    program = (
        "from watcher.web.metrics.of_daemon import daemon_text; from watcher.web.present import Present;"
        " print(daemon_text(Present(), 0, sees_all=True, is_open_metrics=False))"
    )
    hidden = "mount -t proc -o subset=pid proc /proc && ! test -e /proc/stat"
    command = unshared(hidden, [sys.executable, "-W", "error", "-c", program])
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=UNIT.parents[1])
    assert (done.returncode, done.stderr) == (0, "")
    assert "process_start_time_seconds " in done.stdout
