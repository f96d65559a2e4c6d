"""Chooses the user of the embedded PostgreSQL: the daemon's own, or, for root, an unprivileged one.

PostgreSQL refuses to run as root. No user is added and no folder opened for it. If the project or the virtual
environment is in a folder that only root may enter, the server gets the one capability to pass and read there.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

# initdb needs a user with a name, so a free number is not enough. `nobody` exists on every system.
_CANDIDATES = ("postgres", "nobody")
_PROBE_SECONDS = 10

# PostgreSQL asks access(2) about its files, which ignores capabilities unless no_setuid_fixup is set.
_CAPABILITY = "-all,+dac_read_search"
_SETPRIV_OPTIONS = (
    "--clear-groups",
    "--no-new-privs",
    "--securebits=+noroot,+no_setuid_fixup",
    f"--inh-caps={_CAPABILITY}",
    f"--ambient-caps={_CAPABILITY}",
    f"--bounding-set={_CAPABILITY}",
)


class OsUserError(Exception):
    """No user can run the server here; the message says what to do."""


@dataclass(frozen=True, slots=True)
class OsUser:
    """A way to run commands as the server's user.

    Attributes:
        uid, gid: the owner of the server's files; None for the daemon's own user.
        prefix: put before the command.
        options: for subprocess.Popen.
    """

    uid: int | None = None
    gid: int | None = None
    prefix: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)

    def own(self, path: Path) -> None:
        """Make the server's user the owner of a path."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def server_os_user(folder: Path, binaries: Path) -> OsUser:
    """Choose the user for a server.

    Args:
        folder: the server's own, absolute; if it exists, its owner stays.
        binaries: the folder of initdb and postgres, absolute.

    Raises:
        OsUserError: root cannot run the server as another user here.
    """
    if os.geteuid() != 0:
        return OsUser()
    uid, gid, name = _unprivileged_user(folder)
    options = {"user": uid, "group": gid, "extra_groups": []}
    if _can_work(folder, binaries, (), options):
        return OsUser(uid, gid, options=options)
    setpriv = shutil.which("setpriv")
    if setpriv is not None:
        prefix = (setpriv, f"--reuid={uid}", f"--regid={gid}", *_SETPRIV_OPTIONS)
        if _can_work(folder, binaries, prefix, {}):
            return OsUser(uid, gid, prefix=prefix)
    raise OsUserError(
        f"started by root, the embedded PostgreSQL runs as the user {name!r}, who cannot enter {folder} or {binaries};"
        " keep the project, its virtual environment and WATCHER_DATA_DIR where all users may enter (such as /srv),"
        " run watcher as an ordinary user, or set POSTGRES_HOST"
    )


def _unprivileged_user(folder: Path) -> tuple[int, int, str]:
    if folder.exists() and (owner := folder.stat()).st_uid != 0:
        return owner.st_uid, owner.st_gid, str(owner.st_uid)
    for name in _CANDIDATES:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return user.pw_uid, user.pw_gid, name
    raise OsUserError(
        "started by root, the embedded PostgreSQL needs the user 'postgres' or 'nobody', and neither exists;"
        " run watcher as an ordinary user, or set POSTGRES_HOST"
    )


def _can_work(folder: Path, binaries: Path, prefix: tuple[str, ...], options: dict[str, Any]) -> bool:
    """Try it: permissions, access lists, mounts and capabilities together are too complex to compute."""
    while not folder.exists():
        folder = folder.parent
    script = 'cd "$1" && cd "$2" && test -r postgres && exec ./postgres --version'
    command = [*prefix, "sh", "-c", script, "sh", str(folder), str(binaries)]
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd="/", capture_output=True, timeout=_PROBE_SECONDS, check=False, **options
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
