"""The errors of the database.

StorageError
├── DatabaseUnavailableError   it cannot be reached or used now; trying again later may help
│   ├── DatabaseSilentError    it does not answer in time
│   └── StatementFailedError   it answers, but a statement fails; trying others shows whether the values are to blame
├── DatabaseRefusedError       it refuses the values; trying again does not help
└── SchemaTooNewError          a newer watcher has upgraded the tables; this one must stop
"""

from __future__ import annotations

import os
import ssl

# X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, ..._SELF_SIGNED_CERT_IN_CHAIN, ..._UNABLE_TO_GET_ISSUER_CERT_LOCALLY.
_UNKNOWN_AUTHORITY = (18, 19, 20)


class StorageError(Exception):
    """An error of the database; the message is a sentence for the operator."""


class DatabaseUnavailableError(StorageError):
    """The database cannot be reached or used now; trying again later may help."""


class DatabaseSilentError(DatabaseUnavailableError):
    """The database does not answer in time; one that is starting or stopping would refuse instead."""


class StatementFailedError(DatabaseUnavailableError):
    """The database answers, but a statement fails; its values are to blame if it succeeds with others."""


class DatabaseRefusedError(StorageError):
    """The database refuses the values, for example one that it cannot hold; trying again does not help."""


class SchemaTooNewError(StorageError):
    """The tables were made by a newer version of watcher."""


def sentence_for(error: Exception) -> str:
    """Describe an error of the driver or the system in a sentence."""
    if isinstance(error, TimeoutError):
        return "the database does not answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = (
            "; POSTGRES_SSLROOTCERT names the authorities that may sign it"
            if error.verify_code in _UNKNOWN_AUTHORITY
            else ""
        )
        return f"the database's certificate is refused: {error.verify_message}{hint}"
    if isinstance(error, ssl.SSLError):  # its number is not an errno
        reason = (error.reason or "it ended").lower().replace("_", " ")
        return f"TLS with the database fails: {reason}"
    if isinstance(error, OSError) and (error.errno or 0) > 0:
        return f"the database cannot be reached: {os.strerror(error.errno or 0)} ({error.strerror})"
    return str(error) or type(error).__name__
