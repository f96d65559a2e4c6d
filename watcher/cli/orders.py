"""Sends silences and acks to a daemon, and reads the present ones, through its data folder or PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import click

from watcher.alerting.silences import spool
from watcher.alerting.silences.kept import is_open_outside, silences_outside
from watcher.alerting.silences.orders import MAX_SILENCES, too_many_silences
from watcher.cli.common import on_stderr
from watcher.cli.options import read_or_exit
from watcher.model.alerts.silence import Silence
from watcher.postgres.errors import StorageError
from watcher.postgres.queries.silences import is_in_trouble, known_silences, write_order

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from watcher.alerting.silences.orders import Order
    from watcher.config.env.settings import Settings
    from watcher.postgres.db import Database

Result = TypeVar("Result")

# A daemon looks for orders twice a second; a busy disk delays it.
TAKING_SECONDS = 5.0
_STEP_SECONDS = 0.02


def moment(settings: Settings) -> datetime:
    """Return the time by the clock of the daemon in the data folder, which may be the database's clock.

    Args:
        settings: with the data folder. Without a daemon there, the time is this machine's.
    """
    now = time.time()
    return datetime.fromtimestamp(now - spool.machine_ahead_seconds(settings.data_dir, now), UTC)


def give(settings: Settings, order: Order) -> bool:
    """Give an order to the daemon in the data folder, or write it to PostgreSQL if there is none.

    Args:
        settings: with the data folder and the database.
        order: the silence or ack.

    Returns:
        True if a daemon has it; False if it is in PostgreSQL, which daemons read from time to time.

    Raises:
        StorageError, EmbeddedError: there is neither a daemon nor a database.
        click.ClickException: there are too many silences.
    """
    if _daemon_takes(settings, order):
        return True
    if not _in_database(settings, lambda database: write_order(database, order)):
        raise click.ClickException(str(too_many_silences()))
    return False


def read_silences(settings: Settings) -> list[Silence]:
    """Read the silences from the daemon in the data folder, or from PostgreSQL if there is none.

    Raises:
        StorageError, EmbeddedError: there is neither a daemon nor a database.
    """
    return _read(settings, silences_outside, known_silences)


def is_open(settings: Settings, target: str) -> bool:
    """Return whether a target has an open incident, by the daemon or PostgreSQL.

    Raises:
        StorageError, EmbeddedError: there is neither a daemon nor a database.
    """
    if _read(settings, lambda path: is_open_outside(path, target), lambda database: is_in_trouble(database, target)):
        return True
    if not settings.postgres_host:
        return False
    with suppress(StorageError):  # another replica may check the target; only PostgreSQL knows
        return read_or_exit(settings, lambda database: is_in_trouble(database, target))
    return False


def _read(
    settings: Settings, from_daemon: Callable[[Path], Result], from_database: Callable[[Database], Awaitable[Result]]
) -> Result:
    if spool.daemon_works_in(settings.data_dir, time.time()):
        with suppress(sqlite3.Error):  # the file of another user: try PostgreSQL
            return from_daemon(settings.data_dir / "outbox.sqlite")
    return _in_database(settings, from_database)


def _daemon_takes(settings: Settings, order: Order) -> bool:
    if not spool.daemon_works_in(settings.data_dir, time.time()):
        return False
    _look_for_room(settings, order)
    try:
        path = spool.leave(settings.data_dir, order)
    except OSError:  # a folder of another user, or full: try PostgreSQL
        return False
    give_up_at = time.monotonic() + TAKING_SECONDS
    while path.exists():
        if time.monotonic() > give_up_at:
            return not spool.take_back(path)
        time.sleep(_STEP_SECONDS)
    return not spool.was_refused(path)


def _look_for_room(settings: Settings, order: Order) -> None:
    """Refuse a silence that the daemon would refuse, since the daemon cannot answer."""
    with suppress(sqlite3.Error):
        now = moment(settings)
        holding = {one.id for one in silences_outside(settings.data_dir / "outbox.sqlite") if one.end > now}
        if isinstance(order, Silence) and order.id not in holding and len(holding) >= MAX_SILENCES:
            raise click.ClickException(str(too_many_silences()))


def _in_database(settings: Settings, work: Callable[[Database], Awaitable[Result]]) -> Result:
    try:
        return read_or_exit(settings, work)
    except Exception:
        on_stderr(f"watcher: no daemon is running in {settings.data_dir}, so the database is needed")
        raise
