"""The command that starts a helper process."""

from __future__ import annotations

import sys

# -P: without the working folder in its path, since any file may lie there. -W: Apprise imports deprecated modules.
COMMAND = (sys.executable, "-P", "-W", "ignore", "-m", "watcher.alerting.channels.helper_process")
