"""`watcher validate`: reads the configuration and starts nothing."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from watcher.alerting.channels.inspection import Inspector
from watcher.cli.common import EXIT_BAD_CONFIGURATION, env_file_option, env_path, errors_on_one_line
from watcher.cli.config_view.effective import TargetShower, effective_settings
from watcher.cli.config_view.effective_yaml import yaml_lines
from watcher.cli.config_view.mistake_lines import tell
from watcher.config import load_configuration
from watcher.config.mistakes import MAX_TEXT_CHARS, ConfigurationError
from watcher.text.escaping import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.config import Configuration
    from watcher.config.mistakes import Mistake


@click.command()
@click.argument("file", required=False, type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text, for editors and CI.")
@click.option("--show", is_flag=True, help="Print all that takes effect as a config file, secrets masked.")
@env_file_option
def validate(file: str | None, as_json: bool, show: bool, env_file: str | None) -> None:
    """Read .env and the config file, tell every mistake, start nothing.

    FILE is the file or the folder of files to read instead of the one that CONFIG_FILE_PATH in .env names. Mistakes
    and warnings go to stderr, each as `file:line:column: where: what is wrong and what to do`, with the line that it is
    about, in which secrets are masked.

    Exit status: 0 good (there may be warnings), 2 there are mistakes.

    Example: watcher validate config/config.yaml
    """
    if file == "":  # as of a variable of a script that is not set
        raise click.UsageError("FILE is empty; name one, or leave it out")
    path = env_path(env_file)
    variables = {**os.environ, "CONFIG_FILE_PATH": file} if file else dict(os.environ)
    with errors_on_one_line():
        try:
            configuration = load_configuration(path, variables, inspect=Inspector())
        except ConfigurationError as error:
            if as_json:
                click.echo(_json_document(error.mistakes))
            else:
                tell(error.mistakes, path)
            sys.exit(EXIT_BAD_CONFIGURATION)
        settings = effective_settings(path, variables) if show else {}
        if show and file:
            settings["CONFIG_FILE_PATH"]["from"] = "FILE"
        if as_json:
            whole = {"settings": settings, **_plain(configuration)} if show else None
            click.echo(_json_document((), configuration, whole))
            return
        tell(configuration.warnings, path, prefix="warning: ", colour="yellow")
        if show:
            page, alerting = configuration.page, configuration.alerting
            for lines in yaml_lines(settings, configuration.targets, page, alerting, configuration.secrets):
                click.echo(lines.encode())  # YAML is UTF-8, whatever the terminal is
        else:
            click.echo(validation_summary(configuration))


def validation_summary(configuration: Configuration) -> str:
    """Say in one line that all is well, as in `config/config.yaml: 5 targets, 2 channels, no mistakes, 1 warning`."""
    targets, warnings = len(configuration.targets), len(configuration.warnings)
    channels = len(configuration.alerting.channels)
    said = [_counted(targets, "target"), *([_counted(channels, "channel")] if channels else []), "no mistakes"]
    said += [_counted(warnings, "warning")] if warnings else []
    return one_line(f"{configuration.settings.config_file}: {', '.join(said)}")


def mistake_as_json(mistake: Mistake) -> dict[str, Any]:
    """Return the JSON object of a mistake or a warning."""
    return {
        "file": one_line(mistake.place.source),
        "line": mistake.place.line,
        "column": mistake.place.column,
        "where": one_line(mistake.where),
        "text": one_line(mistake.text, limit_chars=MAX_TEXT_CHARS),
    }


def _json_document(
    mistakes: Sequence[Mistake], configuration: Configuration | None = None, shown: dict[str, Any] | None = None
) -> str:
    document: dict[str, Any] = {
        "ok": not mistakes,
        "targets": None if configuration is None else len(configuration.targets),
        "channels": None if configuration is None else len(configuration.alerting.channels),
        "mistakes": [mistake_as_json(mistake) for mistake in mistakes],
        "warnings": [] if configuration is None else [mistake_as_json(one) for one in configuration.warnings],
    }
    if shown is not None:
        document["configuration"] = shown
    return json.dumps(document, indent=2)


def _plain(configuration: Configuration) -> dict[str, Any]:
    shower = TargetShower(configuration.secrets, configuration.alerting.channels)
    page = shower.page(configuration.page)
    alerting = shower.alerting(configuration.alerting)
    return {
        **({"page": page} if page else {}),
        **alerting,
        "urls": [shower.all_of(target) for target in configuration.targets],
    }


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
