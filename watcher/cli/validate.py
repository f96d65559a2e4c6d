"""`watcher validate`: reads the configuration and starts nothing."""

from __future__ import annotations

import os

import click

from watcher.cli.common import env_file_option, env_path, errors_on_one_line
from watcher.config import load_configuration


@click.command()
@click.argument("file", required=False, type=click.Path())
@env_file_option
def validate(file: str | None, env_file: str | None) -> None:
    """Read .env and the config file (FILE, or the one that .env names), tell every mistake, start nothing.

    Example: watcher validate config/config.yaml
    """
    path = env_path(env_file)
    with errors_on_one_line():
        variables = {**os.environ, "CONFIG_FILE_PATH": file} if file else None
        configuration = load_configuration(path, variables)
        settings, targets = configuration.settings, configuration.targets
        click.echo(f"{settings.config_file}: {len(targets)} targets, no mistakes")
