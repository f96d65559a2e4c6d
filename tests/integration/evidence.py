"""A daemon's traces: its lines, its outbox and its rows, read by somebody who does not trust it."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from watcher.postgres.db import Database

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_FAILURE = re.compile(rf" failure target=.* check_id=({_UUID})(?P<lost> stored=no)?$", re.MULTILINE)
_SUCCESS = re.compile(r'^(\S+Z) success target="([^"]*)" .* duration_ms=([0-9.]+) ', re.MULTILINE)

Counts = Counter[tuple[str, str]]  # by target and result


@dataclass
class Left:
    """The content of an outbox.

    Attributes:
        entries: the number of waiting entries, by kind.
        measured: the number of checks in the journal and in waiting rollups.
        set_aside: the number of entries that the database refused.
        damaged: files that were moved aside.
    """

    entries: Counter[str] = field(default_factory=Counter)
    measured: Counts = field(default_factory=Counter)
    set_aside: int = 0
    damaged: list[str] = field(default_factory=list)


def told_ids(text: str) -> list[str]:
    """Return the ids of all failures that stderr reports as safe, without a line that a kill cut off."""
    return [match[1] for match in _FAILURE.finditer(text) if not match["lost"]]


def given_up_ids(text: str) -> list[str]:
    """Return the ids of all failures that stderr reports as lost."""
    return [match[1] for match in _FAILURE.finditer(text) if match["lost"]]


def successes_in(text: str) -> Iterator[tuple[str, datetime]]:
    """Yield the target of each line of monitor.log, and when the check ended."""
    for match in _SUCCESS.finditer(text):
        yield match[2], datetime.fromisoformat(match[1]) + timedelta(milliseconds=float(match[3]))


def left_in(folder: Path) -> Left:
    """Read a copy of a dead daemon's outbox; the file itself is not touched."""
    left = Left(damaged=[path.name for path in folder.glob("outbox.sqlite.damaged*")])
    with TemporaryDirectory() as name:
        for path in folder.glob("outbox.sqlite*"):
            shutil.copy(path, name)
        with closing(sqlite3.connect(f"{name}/outbox.sqlite")) as database:
            left.entries.update(dict(database.execute("SELECT kind, count(*) FROM entries GROUP BY kind").fetchall()))
            (left.set_aside,) = database.execute("SELECT count(*) FROM set_aside").fetchone()
            for (payload,) in database.execute("SELECT payload FROM journal"):
                left.measured.update((target, result) for target, _, result, _ in json.loads(payload))
            for (payload,) in database.execute("SELECT payload FROM entries WHERE kind = 'rollups'"):
                left.measured.update(_rolled_up(json.loads(payload)))
    return left


async def measured_in(database: Database) -> Counts:
    """Count the checks in the rollups of minutes."""
    rows = await database.fetch("SELECT target, results FROM rollups WHERE period_seconds = 60", limit_seconds=30)
    return _rolled_up({**row, "results": json.loads(row["results"])} for row in rows)


async def failed_in(database: Database) -> Counts:
    """Count the stored failures."""
    rows = await database.fetch(
        "SELECT target, reason, count(*) AS number FROM failures GROUP BY target, reason", limit_seconds=30
    )
    return Counter({(row["target"], row["reason"]): row["number"] for row in rows})


def _rolled_up(rows: Iterable[dict[str, Any]]) -> Counts:
    counts: Counts = Counter()
    for row in rows:
        counts.update({(row["target"], result): number for result, number in row["results"].items()})
    return counts
