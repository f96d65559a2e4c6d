"""The rungs of a stop: together they stay below what is promised, and no wait that cannot be cut off is without one."""

from __future__ import annotations

import ast
from pathlib import Path

from watcher.alerting.alerts import LAST_ANSWERS_SECONDS
from watcher.alerting.channels import helpers, program
from watcher.daemon.stop_ladder import DRAIN, STOP_LADDER, WORST_SECONDS

WATCHER = Path(__file__).resolve().parents[3] / "watcher"
# The daemon has 5 s; what is left is for rungs to come, and for a machine that is busy.
LONGEST_SECONDS = 4.0
# The deadlines of what is shielded from a cancellation, by the file.
SHIELDED = {
    # Killed processes are waited for while the drain works, see below.
    ("alerting/channels/helpers.py", "0"),
    ("alerting/channels/helpers.py", "REAP_SECONDS"),
    ("alerting/channels/program.py", "0"),
    ("alerting/channels/program.py", "REAP_SECONDS"),
    ("checking/monitor.py", "HAND_OVER_SECONDS"),
    ("daemon/heartbeat.py", "HEARTBEAT.seconds"),
    ("daemon/pipeline.py", "OUTBOX_CLOSE.seconds"),
    ("daemon/run.py", "flush.seconds"),  # once for monitor.log, once for stderr
    ("daemon/run.py", "WORST_SECONDS"),  # around the two of the server
    ("postgres/bridge.py", "CLOSE_SECONDS"),
    ("postgres/reader.py", "2 * STOP_FAST_SECONDS"),  # of commands, which have all the time
}


def shielded_in(source: str) -> list[str]:
    """List the deadlines of the calls that shield something."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [
        ast.unparse(call.args[0]) if call.args else "none"
        for call in calls
        if any(keyword.arg == "shield" for keyword in call.keywords)
    ]


def test_the_worst_stop_is_short_enough() -> None:
    assert round(sum(rung.seconds for rung in STOP_LADDER), 6) == round(WORST_SECONDS, 6) <= LONGEST_SECONDS
    assert all(rung.seconds > 0 and rung.sentence.endswith(".") for rung in STOP_LADDER)


def test_alerts_stop_while_the_drain_works() -> None:
    killed = max(helpers.REAP_SECONDS, program.REAP_SECONDS)  # those at work, all at once; then those that are idle
    assert LAST_ANSWERS_SECONDS + killed + helpers.REAP_SECONDS <= DRAIN.seconds


def test_whatever_is_shielded_is_a_rung() -> None:
    found = {
        (path.relative_to(WATCHER).as_posix(), deadline)
        for path in WATCHER.rglob("*.py")
        for deadline in shielded_in(path.read_text(encoding="utf-8"))
    }
    assert found == SHIELDED
