"""The spool folder: commands leave orders there for the daemon that works in the data folder.

A file stays until its order is safely on the daemon's disk; reading it twice is harmless. Every call blocks.
"""

from __future__ import annotations

import math
import os
import stat
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from watcher.alerting.silences.bell import ring
from watcher.alerting.silences.encoding import decode_order, encode_order

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from watcher.alerting.silences.orders import Order

FOLDER = "spool"
# The longest order: a silence of a thousand targets with long names.
MAX_ORDER_BYTES = 1024 * 1024
# The bounds of the orders taken in at once, and of the broken files kept for inspection.
MAX_AT_ONCE = 100
MAX_REFUSED = 100
# A file that a command has not finished is removed after this time.
ABANDONED_SECONDS = 3600.0
# The bound of the number in a heartbeat file.
MAX_AHEAD_CHARS = 32
# A daemon touches its heartbeat every two seconds.
ALIVE_SECONDS = 10.0

_ORDER, _UNFINISHED, _REFUSED = ".order", ".new", ".refused"


def daemon_works_in(data_dir: Path, now: float) -> bool:
    """Return whether a daemon that takes orders works in a data folder.

    Args:
        data_dir: WATCHER_DATA_DIR.
        now: seconds since 1970.
    """
    try:
        beat_at = (data_dir / "heartbeat").stat().st_mtime
        # Links are not followed: root may give orders in a folder that belongs to somebody else.
        return abs(now - beat_at) < ALIVE_SECONDS and stat.S_ISDIR((data_dir / FOLDER).lstat().st_mode)
    except OSError:
        return False


def machine_ahead_seconds(data_dir: Path, now: float) -> float:
    """Return how many seconds the clock of this machine is ahead of the clock of the daemon in a data folder.

    It is 0 without a daemon there, or if its heartbeat has no number.

    Args:
        data_dir: WATCHER_DATA_DIR.
        now: seconds since 1970, by the clock of this machine.
    """
    with suppress(OSError, ValueError):
        if daemon_works_in(data_dir, now):
            with (data_dir / "heartbeat").open(encoding="ascii") as file:
                seconds = float(file.read(MAX_AHEAD_CHARS))
                return seconds if math.isfinite(seconds) else 0.0
    return 0.0


def leave(data_dir: Path, order: Order) -> Path:
    """Write an order for the daemon, whole or not at all, and safe from a loss of power.

    Args:
        data_dir: WATCHER_DATA_DIR; the file gets its owner, if the caller may give files away.
        order: a silence, which may have ended, or an ack.

    Returns:
        the file; it disappears when the daemon has stored the order.

    Raises:
        OSError: it cannot be written.
    """
    folder, owner = data_dir / FOLDER, data_dir.stat()
    path = folder / f"{uuid.uuid4()}{_ORDER}"
    unfinished = path.with_suffix(_UNFINISHED)
    try:
        with unfinished.open("xb") as file:
            os.fchmod(file.fileno(), stat.S_IMODE(owner.st_mode) & 0o666)
            if os.geteuid() == 0:
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write("\n".join(encode_order(order)).encode())
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise
    _sync_folder(folder)
    ring(folder)
    return path


def was_refused(path: Path) -> bool:
    """Return whether the daemon has set an order aside."""
    return path.with_suffix(_REFUSED).exists()


def take_back(path: Path) -> bool:
    """Remove an order that the daemon has not stored yet; return whether it still existed."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def make_folder(data_dir: Path) -> Path:
    """Create the spool folder with the rights of the data folder, and return it; only the daemon does so."""
    folder = data_dir / FOLDER
    if not folder.is_dir():
        folder.mkdir()
        folder.chmod(stat.S_IMODE(data_dir.stat().st_mode))
    return folder


def waiting(folder: Path, passed_over: Collection[Path] = ()) -> list[Path]:
    """Return a bounded number of files with orders, by name; remove abandoned ones.

    Args:
        folder: see `make_folder`.
        passed_over: files to ignore.
    """
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(_ORDER):
                path = folder / entry.name
                if path not in passed_over:
                    found.append(path)
            elif entry.name.endswith(_UNFINISHED):
                with suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > ABANDONED_SECONDS:
                        (folder / entry.name).unlink()
    return sorted(found)[:MAX_AT_ONCE]


def read(path: Path) -> Order:
    """Return the order in a file, whatever the file may be.

    Raises:
        ValueError: it is not an order; the message says why.
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file")
        content = file.read(MAX_ORDER_BYTES + 1)
    if len(content) > MAX_ORDER_BYTES:
        raise ValueError(f"it has more than {MAX_ORDER_BYTES} bytes")
    kind, _, text = content.decode().partition("\n")  # text that is not UTF-8 raises another ValueError
    return decode_order(kind, text)


def remove(path: Path) -> None:
    """Remove the file of a stored order."""
    path.unlink(missing_ok=True)


def set_aside(path: Path) -> Path:
    """Rename a broken file and keep a bounded number of them; return the new path."""
    aside = path.with_suffix(_REFUSED)
    path.rename(aside)
    for old in sorted(_refused(path.parent), key=_changed_at)[:-MAX_REFUSED]:
        with suppress(OSError):
            old.unlink()
    return aside


def _refused(folder: Path) -> Iterator[Path]:
    return folder.glob(f"*{_REFUSED}")


def _changed_at(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
