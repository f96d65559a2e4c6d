"""A daemon with short leases: `python -m tests.integration.replicas.short_leases SECONDS [AHEAD]`.

SECONDS is the interval of beats, AHEAD is how many seconds the clock of its machine is ahead.
"""

from __future__ import annotations

import os
import sys
import time

if __name__ == "__main__":
    beat_seconds, ahead_seconds = float(sys.argv[1]), float((*sys.argv, "0")[2])
    # The daemon's only wall clock. Timers use another one.
    right_time = time.time
    time.time = lambda: right_time() + ahead_seconds

from functools import partial
from pathlib import Path

import trio

from watcher import log
from watcher.alerting.channels.inspection import Inspector
from watcher.cluster.values import Timing
from watcher.config import load_configuration
from watcher.daemon.garbage import stop_collecting
from watcher.daemon.run import run_daemon

if __name__ == "__main__":
    log.take_over_stderr()
    stop_collecting()
    load, read_at = partial(load_configuration, Path(".env"), inspect=Inspector()), time.time()
    configuration = load()
    log.configure(configuration.settings.log_format)
    leases = Timing(3 * beat_seconds, beat_seconds, 0.75 * beat_seconds, 4 * beat_seconds, 4 * beat_seconds)
    trio.run(run_daemon, configuration, load, read_at, leases)
    os._exit(0)
