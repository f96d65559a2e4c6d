"""Files that `config.yaml`, `.env` and the environment name: secrets, certificates and the like."""

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

# The bound of a secret: more is a file that was named by mistake.
MAX_SECRET_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that the configuration names.

    Attributes:
        path: of the file, relative to the working folder or absolute.
        where: the key that names it, as in `urls[3].basic_auth.password_file` or `POSTGRES_PASSWORD_FILE`.
        is_secret: whether what is in it is a secret; a certificate is none.
        find_place: see `place`.
        steps: the path to the key in the config file that names it, None where that is `.env` or the environment.
    """

    path: Path
    where: str
    is_secret: bool
    find_place: Callable[[], Place]
    steps: tuple[str | int, ...] | None = None

    @property
    def place(self) -> Place:
        """Where it was named; the first time, this parses the whole config file: ask only when there is a need."""
        return self.find_place()


def secret_of(path: Path) -> str:
    """Read a file of one secret, without the space around it.

    Raises:
        ValueError: it cannot be used; the message says why, and quotes nothing of what is in it.
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
    """Return the secret that is written under a key, or in the file that the key with `_file` names.

    Args:
        path: of the key, as in `("basic_auth", "password")`.
        holder: the mapping in which the keys stand.
        complain: takes what is wrong, also where there is neither key.
        folder: where relative paths of files begin.

    Returns:
        the secret; nothing where something is wrong.
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
    """Read a file.

    Args:
        path: of it.
        max_bytes: what has more is refused.
        wanted: what to name instead, for the message.

    Raises:
        ValueError: it cannot be used; the message says why, and quotes nothing of what is in it.
    """
    try:
        _refuse_pipe(path)
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:  # a ValueError is about a path that no system takes
        raise ValueError(_unreadable(path, error)) from error
    if len(content) > max_bytes:
        raise ValueError(f"{shown(str(path))} has more than {max_bytes} bytes; name {wanted}")
    return content


def complaint_about_tls_files(
    ca_file: str | None, cert_file: str | None, key_file: str | None
) -> tuple[str, str] | None:
    """Try the files of PEM.

    Args:
        ca_file, cert_file, key_file: their paths, as in `tls_config`.

    Returns:
        which of the three it is, by its name here, and what is wrong with its file, or None where all can be used.
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
            # With a password of nothing, OpenSSL does not ask for one at the terminal.
            context.load_cert_chain(cert_file, key_file, password=lambda: b"")
        except (OSError, ValueError) as error:
            text = f"{shown(cert_file)} and its key cannot be used ({_reason(error)})"
            return "cert_file", f"{text}; name a certificate in PEM and its key without a password"
    return None


def is_secret_variable(name: str, environment_files: Iterable[NamedFile]) -> bool:
    """Say whether the value of a variable is a secret: it is named as secrets are, or stands in a file of its own.

    Args:
        name: of the variable.
        environment_files: the files that `.env` and the environment name.
    """
    return looks_secret(name) or any(file.where == f"{name}_FILE" for file in environment_files)


def _refuse_pipe(path: Path) -> None:
    """Raise an OSError for what would be waited for without end."""
    if path.is_fifo():
        raise OSError(errno.EINVAL, "it is a pipe")


def _unreadable(path: Path, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else error
    return f"{shown(str(path))} cannot be read: {reason}; correct the path, or make the file"


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error).lower().replace("_", " ")
