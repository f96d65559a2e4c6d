"""`watcher init`: writes a first configuration."""

from __future__ import annotations

import os
import secrets
import shlex
from importlib.resources import files
from pathlib import Path

import click

from watcher.cli.common import DEFAULT_ENV_FILE, MAX_ERROR_CHARS, env_file_option, errors_on_one_line
from watcher.text.escaping import one_line

# The templates of the package, their paths, and their modes: users may add a password to `.env`.
ENV_TEMPLATE = "env"
CONFIG_TEMPLATES = {"config.yaml": "config/config.yaml", "schema.json": "config/schema.json"}
PRIVATE, PUBLIC = 0o600, 0o644


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False),
    default=".",
    help="Folder to write to, created if missing; the working folder by default.",
)
@env_file_option
def init(folder: str, env_file: str | None) -> None:
    """Write a commented config/config.yaml and .env if they do not exist; nothing is asked or overwritten.

    Also write config/schema.json, which editors use to complete and check the config file. With --env-file, write the
    settings to that file instead of .env.

    Exit status: 0 the files exist, 1 a file cannot be written, 2 bad usage.

    Example: watcher init
    """
    root = click.get_current_context().find_root()
    name = env_file or root.params.get("env_file") or DEFAULT_ENV_FILE
    with errors_on_one_line():
        _make(Path(folder) / name, ENV_TEMPLATE, PRIVATE)
        for template, path in CONFIG_TEMPLATES.items():
            _make(Path(folder) / path, template, PUBLIC)
    go = "" if Path(folder) == Path() else f"cd {shlex.quote(folder)} && "
    option = "" if name == DEFAULT_ENV_FILE else f" --env-file {shlex.quote(name)}"
    _say(f"next: edit {CONFIG_TEMPLATES['config.yaml']}, then {go}watcher run{option}")


def content_of(template: str) -> bytes:
    """Return the content of a template of the package."""
    return (files("watcher.cli") / "templates" / template).read_bytes()


def create(path: Path, content: bytes, mode: int) -> bool:
    """Create a file and its folders, atomically and without overwriting.

    Args:
        path: of the file.
        content: of the file.
        mode: of the file, before the umask.

    Returns:
        whether it was written; False if the path exists already.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(temporary)  # unlike a rename, this does not overwrite
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            return False
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _make(path: Path, template: str, mode: int) -> None:
    made = create(path, content_of(template), mode)
    _say(f"created {path}" if made else f"kept existing {path}")


def _say(text: str) -> None:
    click.echo(one_line(text, limit_chars=MAX_ERROR_CHARS))
