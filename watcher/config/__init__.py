"""Reads and validates `.env`, `config.yaml` and the environment; nothing else reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from watcher.config.env.settings import read_environment, settings_of
from watcher.config.mistakes import ConfigurationError
from watcher.config.secret_files import is_secret_variable
from watcher.config.targets.build import load_sources
from watcher.config.warnings import find_warnings
from watcher.model.alerts.options import AlertingOptions
from watcher.model.page_options import PageOptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from watcher.config.env.settings import Settings
    from watcher.config.mistakes import Mistake
    from watcher.config.sources import Source
    from watcher.config.targets.read_alerting import Inspect
    from watcher.model.target import Target


@dataclass(frozen=True, slots=True)
class Configuration:
    """The whole configuration.

    Attributes:
        settings: the values of `.env` and the environment.
        targets: the targets to watch, in the order of the files.
        warnings: valid configuration that may not do what its author expects.
        files: the files and folders that were read, including those of secrets and certificates.
        secrets: the values of the secret variables that the config files use.
        page: the options of the status page.
        alerting: the channels, and the options that hold for all alerts.
    """

    settings: Settings
    targets: tuple[Target, ...]
    warnings: tuple[Mistake, ...] = ()
    files: tuple[Path, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)
    page: PageOptions = field(default_factory=PageOptions)
    alerting: AlertingOptions = field(default_factory=AlertingOptions)


def load_configuration(
    env_file: Path,
    variables: Mapping[str, str] | None = None,
    *,
    with_warnings: bool = True,
    inspect: Inspect | None = None,
) -> Configuration:
    """Read `.env`, the environment and the config file, or folder of config files, that they name.

    Args:
        env_file: path of `.env`; it may be missing.
        variables: the environment, the process's own by default; it wins over the file.
        with_warnings: whether to look for warnings.
        inspect: checks the templates and addresses of channels; by default they are not checked.

    Raises:
        ConfigurationError: with every mistake that was found.
    """
    environment = read_environment(env_file, variables)
    settings, mistakes = settings_of(environment)
    files = [env_file, *(file.path for file in environment.named_files)]
    sources: tuple[Source, ...] = ()
    targets: tuple[Target, ...] = ()
    page, alerting = PageOptions(), AlertingOptions()
    if settings is not None:
        files.append(settings.config_file)
        try:
            sources, targets, page, alerting = load_sources(settings, environment.variables, inspect)
        except ConfigurationError as error:
            mistakes = [*mistakes, *error.mistakes]
            files += error.files
    files += [path for source in sources for path in (source.path, *(file.path for file in source.named_files()))]
    if mistakes or settings is None:
        raise ConfigurationError(mistakes, dict.fromkeys(files))
    used = (name for source in sources for name in source.document.variables())
    names = {name for name in used if is_secret_variable(name, environment.named_files)}
    return Configuration(
        settings,
        targets,
        find_warnings(settings, sources, targets, alerting, environment.named_files) if with_warnings else (),
        tuple(dict.fromkeys(files)),
        tuple(environment.variables[name] for name in sorted(names) if environment.variables.get(name)),
        page,
        alerting,
    )
