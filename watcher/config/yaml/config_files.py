"""Finds and reads the config files: one file, or all files of a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.config.mistakes import ConfigurationError, Mistake, Place, shown
from watcher.config.yaml.interpolation import names_in

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = (".yaml", ".yml")
# The bound of one config file: a larger file is a device or a mistake. 100,000 targets take some 10 MB.
MAX_CONFIG_BYTES = 2**30
_PIECE_BYTES = 2**20


def config_files(path: Path, named_at: Place) -> list[Path]:
    """Return the config files at a path.

    Args:
        path: the path of a file, or of a folder with files that end in `.yaml` or `.yml`. Folders below it and hidden
            files, as of editors and Kubernetes, are ignored.
        named_at: the place where the path is written.

    Raises:
        ConfigurationError: it is a folder that has none, or cannot be read.
    """
    try:
        if not path.is_dir():
            return [path]
        names = sorted(entry.name for entry in path.iterdir())
    except (OSError, ValueError) as error:
        raise ConfigurationError([_unreadable(path, named_at, error)]) from error
    found = [path / name for name in names if name.endswith(SUFFIXES) and not name.startswith(".")]
    files = [file for file in found if not file.is_dir()]
    if not files:
        text = f"{shown(str(path))} is a folder without a config file; write one into it that ends in .yaml or .yml"
        raise ConfigurationError([Mistake(named_at, "CONFIG_FILE_PATH", text)])
    return files


def read_config_file(path: Path, named_at: Place | None) -> bytes:
    """Return the content of a config file.

    Args:
        path: of the file.
        named_at: where the path was written; None for a file of a folder.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        # Opening a pipe may block forever, and a device may be endless.
        if path.exists() and not path.is_file():
            raise ConfigurationError([_no_file(path, named_at)])
        with path.open("rb") as file:
            content = bytearray()
            # In pieces: one read of so many bytes would ask for as much memory before it knows how many there are.
            while len(content) <= MAX_CONFIG_BYTES and (piece := file.read(_PIECE_BYTES)):
                content += piece
    except (OSError, ValueError) as error:
        raise ConfigurationError([_unreadable(path, named_at, error)]) from error
    if len(content) > MAX_CONFIG_BYTES:
        text = f"has more than {MAX_CONFIG_BYTES} bytes; name a config file, or make several of it"
        raise ConfigurationError([Mistake(Place(str(path)), "", text)])
    return bytes(content)


def variables_in(path: Path) -> set[str] | None:
    """Return the names of all variables in the config files; None if one of the files cannot be read."""
    names: set[str] = set()
    try:
        for file in config_files(path, Place(str(path))):
            names |= names_in(read_config_file(file, None))
    except ConfigurationError:
        return None
    return names


def _unreadable(path: Path, named_at: Place | None, error: Exception) -> Mistake:
    reason = error.strerror if isinstance(error, OSError) else error
    if named_at is None:
        return Mistake(Place(str(path)), "", f"cannot be read: {reason}; make it readable, or remove it")
    text = f"{shown(str(path))} cannot be read: {reason}; correct the path, or make the file"
    return Mistake(named_at, "CONFIG_FILE_PATH", text)


def _no_file(path: Path, named_at: Place | None) -> Mistake:
    if named_at is None:
        return Mistake(Place(str(path)), "", "is not a regular file; remove it from the folder")
    return Mistake(
        named_at, "CONFIG_FILE_PATH", f"{shown(str(path))} is not a regular file; name one, or a folder of them"
    )
