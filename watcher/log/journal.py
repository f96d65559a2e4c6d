"""What the journal of systemd is told of a line: how grave it is, so that `journalctl --priority err` finds it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

STDERR = 2
# Of syslog, as sd-daemon(3) has them in front of a line; the journal takes them off again.
_PRIORITIES = {"debug": "<7>", "info": "<6>", "warning": "<4>", "error": "<3>", "critical": "<2>"}


def is_the_journal(variables: Mapping[str, str], descriptor: int = STDERR) -> bool:
    """Tell whether a descriptor leads to the journal: JOURNAL_STREAM names its file, see systemd.exec(5).

    Args:
        variables: of the environment.
        descriptor: an open one, or a closed one, which leads nowhere.
    """
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return variables.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def with_priority(level: str, line: str) -> str:
    """Put in front of a line how grave it is.

    Args:
        level: one of structlog's.
        line: for the journal.
    """
    return f"{_PRIORITIES.get(level, '')}{line}"
