"""How a helper process is started."""

from __future__ import annotations

import sys

# Without the working folder in its path, where anything may lie; and Apprise imports modules that are deprecated.
COMMAND = (sys.executable, "-P", "-W", "ignore", "-m", "watcher.alerting.channels.helper_process")
