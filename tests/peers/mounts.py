"""File systems of one's own: a process in a mount namespace that ends with it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.peers.programs import path_of

if TYPE_CHECKING:
    from collections.abc import Sequence


def unshared(mount: str, command: Sequence[str]) -> list[str]:
    """Write a command that runs another one where something is mounted; nobody else sees that.

    Args:
        mount: a line of the shell that mounts.
        command: the other one.
    """
    path_of("mount", "mount")
    # Who is not root has to look like it there.
    options = ["--mount"] if os.geteuid() == 0 else ["--map-root-user", "--mount"]
    return [path_of("unshare", "util-linux"), *options, "sh", "-c", f'{mount} && exec "$0" "$@"', *command]
