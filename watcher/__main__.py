"""`python -m watcher` is the same program as the console script `watcher`."""

import sys

if not (3, 11) <= sys.version_info < (3, 15):
    sys.exit("watcher: this is Python {}.{}; 3.11 to 3.14 can run it".format(*sys.version_info))

from watcher.cli import main  # on other Pythons, some of what it imports cannot be installed

main()
