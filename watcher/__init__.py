"""watcher: a website monitor built to be more reliable than the sites it checks."""

__version__ = "0.1.0"
