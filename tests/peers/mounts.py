"""Private file systems: a process in a mount namespace that ends with it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.peers.programs import path_of

if TYPE_CHECKING:
    from collections.abc import Sequence


def unshared(mount: str, command: Sequence[str]) -> list[str]:
    """Return a command that runs another one where something is mounted, invisible to other processes.

    Args:
        mount: a line of shell that mounts.
        command: the other command.
    """
    path_of("mount", "mount")
    # A user other than root has to look like root there.
    options = ["--mount"] if os.geteuid() == 0 else ["--map-root-user", "--mount"]
    return [path_of("unshare", "util-linux"), *options, "sh", "-c", f'{mount} && exec "$0" "$@"', *command]
