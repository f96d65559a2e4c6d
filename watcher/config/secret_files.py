"""Reads the files that `config.yaml`, `.env` and the environment name: secrets and certificates."""

from __future__ import annotations

import errno
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watcher.config.mistakes import shown
from watcher.config.schema.secret_keys import looks_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from watcher.config.mistakes import Complain, Place

# The bound of a secret; a larger file was named by mistake.
MAX_SECRET_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that the configuration names.

    Attributes:
        path: absolute, or relative to the working folder.
        where: the key that names the file, as in `urls[3].basic_auth.password_file` or `POSTGRES_PASSWORD_FILE`.
        is_secret: whether its content is a secret; a certificate is not.
        find_place: see `place`.
        steps: the path of that key in the config file; None for `.env` and the environment.
    """

    path: Path
    where: str
    is_secret: bool
    find_place: Callable[[], Place]
    steps: tuple[str | int, ...] | None = None

    @property
    def place(self) -> Place:
        """Where the file is named. The first call parses the whole config file, so call it only for a message."""
        return self.find_place()


def secret_of(path: Path) -> str:
    """Read a file that holds one secret, and strip the space around it.

    Raises:
        ValueError: the file cannot be used; the message says why, without quoting its content.
    """
    content = bytes_of(path, MAX_SECRET_BYTES, "a file of one secret")
    try:
        secret = content.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise ValueError(f"{shown(str(path))} is not UTF-8; name a file of one secret") from None
    if not secret:
        raise ValueError(f"{shown(str(path))} is empty; write the secret into it")
    if not secret.isprintable():
        raise ValueError(f"{shown(str(path))} has more than one line, or an unprintable character")
    return secret


def written_secret(path: tuple[str | int, ...], holder: Mapping[str, Any], complain: Complain, folder: Path) -> str:
    """Return the secret under a key, or the content of the file that `<key>_file` names.

    Args:
        path: of the key, as in `("basic_auth", "password")`.
        holder: the mapping that has the keys.
        complain: records a mistake, also if both keys are missing.
        folder: the base of relative paths.

    Returns:
        the secret; an empty text after a mistake.
    """
    *outer, key = path
    file_key = f"{key}_file"
    written, file_name = holder.get(str(key)), holder.get(file_key)
    if written is not None and file_name is not None:
        complain((*outer, file_key), f"is written besides {key}; remove one")
    elif file_name is not None:
        try:
            return secret_of(folder / str(file_name))
        except ValueError as error:
            complain((*outer, file_key), str(error))
    elif written is None:
        complain(tuple(outer), f"has neither {key} nor {file_key}; write one")
    elif not (text := str(written)).isprintable():
        complain(path, "has a line break or an unprintable character; write one line")
    else:
        return text
    return ""


def bytes_of(path: Path, max_bytes: int, wanted: str) -> bytes:
    """Read a whole file of a limited size.

    Args:
        path: its path.
        max_bytes: a larger file is refused.
        wanted: the kind of file to name instead, for the message.

    Raises:
        ValueError: the file cannot be used; the message says why, without quoting its content.
    """
    try:
        _refuse_pipe(path)
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: an invalid path
        raise ValueError(_unreadable(path, error)) from error
    if len(content) > max_bytes:
        raise ValueError(f"{shown(str(path))} has more than {max_bytes} bytes; name {wanted}")
    return content


def complaint_about_tls_files(
    ca_file: str | None, cert_file: str | None, key_file: str | None
) -> tuple[str, str] | None:
    """Load the PEM files of a TLS configuration, and return the first problem.

    Args:
        ca_file, cert_file, key_file: their paths, as in `tls_config`.

    Returns:
        the name of the argument and the problem with its file; None if all files can be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for key, path in (("ca_file", ca_file), ("cert_file", cert_file), ("key_file", key_file)):
        if path is not None:
            try:
                _refuse_pipe(Path(path))
                Path(path).open("rb").close()
            except (OSError, ValueError) as error:
                return key, _unreadable(Path(path), error)
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ValueError) as error:
            return (
                "ca_file",
                f"{shown(ca_file)} has no certificates in PEM ({_reason(error)}); name a file that has",
            )
    if cert_file is not None:
        try:
            # With an empty password, OpenSSL does not ask for one at the terminal.
            context.load_cert_chain(cert_file, key_file, password=lambda: b"")
        except (OSError, ValueError) as error:
            text = f"{shown(cert_file)} and its key cannot be used ({_reason(error)})"
            return "cert_file", f"{text}; name a certificate in PEM and its key without a password"
    return None


def is_secret_variable(name: str, environment_files: Iterable[NamedFile]) -> bool:
    """Return whether a variable is a secret: by its name, or because its value is in a file of its own.

    Args:
        name: the variable's name.
        environment_files: the files that `.env` and the environment name.
    """
    return looks_secret(name) or any(file.where == f"{name}_FILE" for file in environment_files)


def _refuse_pipe(path: Path) -> None:
    """Raise OSError if the path is a pipe, which could block forever."""
    if path.is_fifo():
        raise OSError(errno.EINVAL, "it is a pipe")


def _unreadable(path: Path, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else error
    return f"{shown(str(path))} cannot be read: {reason}; correct the path, or make the file"


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error).lower().replace("_", " ")
