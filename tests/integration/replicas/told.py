"""Messages that a receiver got from daemons that share a channel, and which daemon is which."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING

import trio

from tests.integration.replicas.fleet import PATIENCE_SECONDS

if TYPE_CHECKING:
    from tests.integration.receivers import HttpReceiver
    from tests.integration.replicas.fleet import Replica


class Told:
    """Return the messages about each site, with repeated ones counted once."""

    def __init__(self, receiver: HttpReceiver) -> None:
        self._receiver = receiver

    def of_all(self) -> dict[str, list[str]]:
        told: defaultdict[str, list[str]] = defaultdict(list)
        seen = set[str]()
        for document in (post.document for post in self._receiver.posts):
            if document["id"] not in seen:
                seen.add(document["id"])
                for target in document["targets"]:
                    told[target["name"]].append(target["state"])
        return dict(told)

    async def until(self, *names: str, are: list[str]) -> None:
        """Wait until the messages about some sites cover all their changes."""
        with trio.move_on_after(PATIENCE_SECONDS):
            while any(self.of_all().get(name) != are for name in names):  # noqa: ASYNC110  # other processes
                await trio.sleep(0.05)
            return
        raise AssertionError(f"{self.of_all()}, and not {are} of {names}")


def outbox_id(replica: Replica) -> str:
    with closing(sqlite3.connect(replica.folder.path / "data" / "outbox.sqlite")) as database:
        (found,) = database.execute("SELECT value FROM meta WHERE key = 'id'").fetchone()
        return str(found)
