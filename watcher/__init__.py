"""watcher: a website monitor that people trust more than the sites it watches."""

__version__ = "0.1.0"
