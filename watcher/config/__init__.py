"""Text to values: the only readers of `.env`, `config.yaml` and the environment; every mistake is found here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.config.mistakes import ConfigurationError
from watcher.config.settings import read_settings
from watcher.config.targets import load_targets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from watcher.config.mistakes import Mistake
    from watcher.config.settings import Settings
    from watcher.model.target import Target


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that is configured.

    Attributes:
        settings: what `.env` and the environment say.
        targets: what to watch, in the order of the files.
        warnings: what is no mistake, and may surprise all the same.
        files: the files and folders that it was read from, those of secrets and certificates included.
    """

    settings: Settings
    targets: tuple[Target, ...]
    warnings: tuple[Mistake, ...] = ()
    files: tuple[Path, ...] = ()


def load_configuration(env_file: Path, variables: Mapping[str, str] | None = None) -> Configuration:
    """Read `.env`, the environment and the config file that they name.

    Args:
        env_file: path of `.env`; it need not be there.
        variables: the environment, the process's own by default; it wins over the file.

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
    return Configuration(settings, targets, files=(env_file, settings.config_file))
