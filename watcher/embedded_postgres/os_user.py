"""Under which user the embedded PostgreSQL runs: the daemon's own, or, for root, an unprivileged one.

PostgreSQL refuses to run as root. No user is added and no folder opened for it: where project or virtual environment
lie in a folder that only root may enter, the server gets the one capability that lets it pass and read there.
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

# initdb wants a user with a name, so a free number does not do. `nobody` is on every system.
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
    """How to run a command as the server's user.

    Attributes:
        uid, gid: who owns the server's files; None for the daemon's own user.
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
    """Find the user for a server.

    Args:
        folder: the server's own, absolute; whoever owns it already keeps it.
        binaries: the folder of initdb and postgres, absolute.

    Raises:
        OsUserError: root cannot hand the server down here.
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
        f"run by root, the embedded PostgreSQL works as the user {name!r}, who cannot get into {folder} or {binaries};"
        " keep the project, its virtual environment and WATCHER_DATA_DIR where all may enter (as below /srv or /opt),"
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
        "run by root, the embedded PostgreSQL needs the user 'postgres' or 'nobody', and there is neither;"
        " run watcher as an ordinary user, or set POSTGRES_HOST"
    )


def _can_work(folder: Path, binaries: Path, prefix: tuple[str, ...], options: dict[str, Any]) -> bool:
    """Try it out: permissions, access lists, mounts and capabilities together are past computing."""
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
