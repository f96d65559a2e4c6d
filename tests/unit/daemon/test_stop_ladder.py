"""The steps of a stop: together they stay below the promise, and every wait that cannot be cancelled has a deadline."""

from __future__ import annotations

import ast
from pathlib import Path

from watcher.alerting.alerts import LAST_ANSWERS_SECONDS
from watcher.alerting.channels import helpers, program
from watcher.daemon.stop_ladder import DRAIN, STOP_LADDER, WORST_SECONDS

WATCHER = Path(__file__).resolve().parents[3] / "watcher"
# The daemon has 5 s; the remainder is for future steps, and for a busy machine.
LONGEST_SECONDS = 4.0
# The deadlines of waits that are shielded from cancellation, by file.
SHIELDED = {
    # The wait for killed processes overlaps with the drain, see below.
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
    ("postgres/reader.py", "2 * STOP_FAST_SECONDS"),  # of commands, which are not in a hurry
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
    killed = max(helpers.REAP_SECONDS, program.REAP_SECONDS)  # the busy ones all at once, then the idle ones
    assert LAST_ANSWERS_SECONDS + killed + helpers.REAP_SECONDS <= DRAIN.seconds


def test_whatever_is_shielded_is_a_rung() -> None:
    found = {
        (path.relative_to(WATCHER).as_posix(), deadline)
        for path in WATCHER.rglob("*.py")
        for deadline in shielded_in(path.read_text(encoding="utf-8"))
    }
    assert found == SHIELDED
