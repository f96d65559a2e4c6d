"""`python -m watcher` is the same program as the console script `watcher`."""

from watcher.cli import main

main()
