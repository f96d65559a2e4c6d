"""What can go wrong with the database.

StorageError
├── DatabaseUnavailableError   it cannot be reached or used now; trying again later may help
├── DatabaseRefusedError       it refuses what it was given; trying again does not help
└── SchemaTooNewError          a newer watcher has been here; this one must stop
"""

from __future__ import annotations

import os


class StorageError(Exception):
    """Something is wrong with the database; the message is a sentence for the operator."""


class DatabaseUnavailableError(StorageError):
    """The database cannot be reached or used now; trying again later may help."""


class DatabaseRefusedError(StorageError):
    """The database refuses what it was given, as a value that it cannot hold; trying again does not help."""


class SchemaTooNewError(StorageError):
    """The tables were made by a newer version of watcher."""


def sentence_for(error: Exception) -> str:
    """Say in words what a driver or the system raised."""
    if isinstance(error, TimeoutError):
        return "the database does not answer in time"
    if isinstance(error, OSError) and (error.errno or 0) > 0:
        return f"the database cannot be reached: {os.strerror(error.errno or 0)} ({error.strerror})"
    return str(error) or type(error).__name__
