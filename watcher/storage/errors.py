"""What can go wrong with the database.

StorageError
├── DatabaseUnavailableError   it cannot be reached or used now; trying again later may help
├── DatabaseRefusedError       it refuses what it was given; trying again does not help
└── SchemaTooNewError          a newer watcher has been here; this one must stop
"""

from __future__ import annotations


class StorageError(Exception):
    """Something is wrong with the database; the message is a sentence for the operator."""


class DatabaseUnavailableError(StorageError):
    """The database cannot be reached or used now; trying again later may help."""


class DatabaseRefusedError(StorageError):
    """The database refuses what it was given, as a value that it cannot hold; trying again does not help."""


class SchemaTooNewError(StorageError):
    """The tables were made by a newer version of watcher."""
