"""The start among other replicas: what the outbox and the database know of each replica's targets."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.doubles import MOMENT, a_target
from watcher.daemon.sharing.start import Beginning, resume_share
from watcher.model.resumption import Taken
from watcher.model.state import Standing, State
from watcher.outbox.encoding import decode_standing, encode_standing
from watcher.outbox.outbox import Outbox

if TYPE_CHECKING:
    from pathlib import Path

ALIVE_AT, NOW = MOMENT, MOMENT + timedelta(seconds=5)
OTHER = uuid.UUID(int=7)
UP = Standing(State.UP, MOMENT - timedelta(hours=2), State.UP, flips=1)
DOWN = Standing(State.DOWN, MOMENT - timedelta(hours=1), State.DOWN, flips=2)
A = a_target("a", interval_seconds=60.0)
SEEN_BY_OTHER = Taken(DOWN, NOW - timedelta(seconds=2), NOW - timedelta(seconds=20))


@pytest.mark.parametrize(
    ("beginning", "configured", "owner", "flips", "here", "kept", "released"),
    [
        pytest.param(
            Beginning([A], taken={"a": Taken(UP)}), "a", None, ["unknown"], "unknown", "unknown", [], id="own"
        ),
        pytest.param(
            Beginning([A], frozenset("a")), "a", None, ["unknown"], "unknown", "unknown", [], id="nobody was asked"
        ),
        pytest.param(
            Beginning([A], taken={"a": SEEN_BY_OTHER}), "a", None, [], "down", "down", [], id="another has watched it"
        ),
        pytest.param(Beginning([]), "a", "other", [], None, None, [], id="another watches it"),
        pytest.param(Beginning([]), "a", "me", [], None, None, ["a"], id="it is to be another's"),
        pytest.param(Beginning([]), "", "other", [], None, None, [], id="in another's file only"),
        pytest.param(Beginning([]), "", "me", ["paused"], None, "paused", ["a"], id="in no file"),
        pytest.param(Beginning([]), "", None, ["paused"], None, "paused", [], id="in no file, of a former version"),
    ],
)
def test_the_fate_of_a_target_that_was_watched_here(
    tmp_path: Path,
    beginning: Beginning,
    configured: str,
    owner: str | None,
    flips: list[str],
    here: str | None,
    kept: str | None,
    released: list[str],
) -> None:
    with closing(Outbox(tmp_path / "outbox.sqlite", shares=True)) as outbox:
        outbox.append((), now=ALIVE_AT.timestamp(), minute=0, standings=[("default", "a", encode_standing(UP))])
        owners = {"a": outbox.id if owner == "me" else OTHER} if owner else {}
        beginning = Beginning(beginning.targets, beginning.unclaimed, beginning.taken, owners)
        standings = resume_share(outbox, beginning, [a_target(name) for name in configured], "default", NOW.timestamp())
        entries: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for entry in outbox.peek(100, 10**6):
            entries[entry.kind].append(json.loads(entry.payload))
        assert [flip["state"] for flip in entries["flip"]] == flips
        assert all(flip["at"] == ALIVE_AT.isoformat() for flip in entries["flip"]), "as of the last look"
        assert {name: str(standing.state) for name, standing in standings.items()} == ({"a": here} if here else {})
        known = {name: str(decode_standing(text).state) for name, text in outbox.standings("default").items()}
        assert known == ({"a": kept} if kept else {})
        assert [name for release in entries["release"] for name in release["targets"]] == released
        assert all(release["released_at"] == ALIVE_AT.isoformat() for release in entries["release"])
