"""Text to values: the only readers of `.env`, `config.yaml` and the environment; every mistake is found here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.config.mistakes import ConfigurationError
from watcher.config.settings import read_settings
from watcher.config.targets import load_targets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from watcher.config.settings import Settings
    from watcher.model.target import Target


def load_configuration(
    env_file: Path, variables: Mapping[str, str] | None = None
) -> tuple[Settings, tuple[Target, ...]]:
    """Read `.env`, the environment and the config file that they name.

    Args:
        env_file: path of `.env`; it need not be there.
        variables: the environment, the process's own by default; it wins over the file.

    Returns:
        the settings and the targets.

    Raises:
        ConfigurationError: with every mistake in all of them.
    """
    settings, mistakes = read_settings(env_file, variables)
    targets: tuple[Target, ...] = ()
    if settings is not None:
        try:
            targets = load_targets(settings)
        except ConfigurationError as error:
            mistakes = [*mistakes, *error.mistakes]
    if mistakes or settings is None:
        raise ConfigurationError(mistakes)
    return settings, targets
