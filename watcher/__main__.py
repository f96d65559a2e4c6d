"""Runs the `watcher` command line as `python -m watcher`."""

import sys

if not (3, 11) <= sys.version_info < (3, 15):
    sys.exit("watcher: Python 3.11 to 3.14 is required; this is Python {}.{}".format(*sys.version_info))

from watcher.cli import main  # imported late: its dependencies do not install on other Pythons

main()
