"""Completes and looks up names of targets and channels, and returns the user's login name."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from watcher.cli.common import DEFAULT_ENV_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.config import Configuration

# Completion must be quick: this is the size of some thousands of targets.
MAX_COMPLETED_BYTES = 512 * 1024


def complete_target(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of targets that start with the text; none if the configuration has a mistake.

    Args:
        context: the command line so far.
        parameter: the parameter to complete.
        incomplete: the text so far.
    """
    configuration = _configuration(_env_file(context))
    names = [target.name for target in configuration.targets] if configuration is not None else []
    return _completed(names, context, parameter, incomplete)


def complete_channel(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of channels that start with the text; see `complete_target`."""
    configuration = _configuration(_env_file(context))
    names = [channel.name for channel in configuration.alerting.channels] if configuration is not None else []
    return _completed(names, context, parameter, incomplete)


def never_watched(target: str) -> click.ClickException:
    """Return the error for a name that is not in the history."""
    from watcher.config.mistakes import shown

    return click.ClickException(f"no target called {shown(target)} was ever watched")


def configured_or_exit(env_file: Path, names: Iterable[str], group: str | None = None) -> Configuration:
    """Load the configuration, and check that it has these targets and this group.

    Args:
        env_file: path of `.env`.
        names: names of targets.
        group: a group of targets, or None.

    Raises:
        click.UsageError: a name is unknown; the message suggests the closest one.
        ConfigurationError: the configuration has a mistake.
    """
    from watcher.config import load_configuration
    from watcher.config.mistakes import did_you_mean, shown

    configuration = load_configuration(env_file, with_warnings=False)
    known = {target.name for target in configuration.targets}
    for name in names:
        if name not in known:
            raise click.UsageError(f"no target is called {shown(name)}{did_you_mean(name, known)}")
    groups = {target.group for target in configuration.targets if target.group}
    if group is not None and group not in groups:
        raise click.UsageError(f"no target is in the group {shown(group)}{did_you_mean(group, groups)}")
    return configuration


def login_name() -> str:
    """Return the login name of the user, or an empty text if it is unknown."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""


def _env_file(context: click.Context) -> Path:
    above = context.parent.params.get("env_file") if context.parent else None
    return Path(context.params.get("env_file") or above or DEFAULT_ENV_FILE)


def _completed(names: Iterable[str], context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    taken = context.params.get(parameter.name or "")
    known = set(taken) if isinstance(taken, tuple) else set()
    return [name for name in names if name.startswith(incomplete) and name not in known]


def _configuration(env_file: Path) -> Configuration | None:
    # Imported here, since they are slow and completing a command does not need them.
    from watcher.config import load_configuration
    from watcher.config.env.settings import load_settings
    from watcher.config.mistakes import ConfigurationError

    try:
        settings = load_settings(env_file)
        if _bytes_of(settings.config_file) > MAX_COMPLETED_BYTES:
            return None
        return load_configuration(env_file, with_warnings=False)
    except (ConfigurationError, OSError, ValueError):
        return None


def _bytes_of(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size
    return sum(entry.stat().st_size for entry in os.scandir(path) if entry.is_file())
