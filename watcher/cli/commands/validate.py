"""`watcher validate`: checks the configuration."""

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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text, for editors and CI.")
@click.option("--show", is_flag=True, help="Print the effective configuration as a config file, with secrets masked.")
@env_file_option
def validate(file: str | None, as_json: bool, show: bool, env_file: str | None) -> None:
    """Check .env and the config file, report every mistake, and start nothing.

    FILE is the config file or folder to read instead of CONFIG_FILE_PATH in .env. Mistakes and warnings are written to
    stderr, each as `file:line:column: where: problem; remedy` and followed by the line of the file with secrets masked.

    Exit status: 0 valid (even with warnings), 2 mistakes.

    Example: watcher validate config/config.yaml
    """
    if file == "":  # as from an unset variable of a script
        raise click.UsageError("FILE is empty; name a file, or leave it out")
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
                click.echo(lines.encode())  # YAML is UTF-8, regardless of the terminal
        else:
            click.echo(validation_summary(configuration))


def validation_summary(configuration: Configuration) -> str:
    """Return the summary of a valid configuration, as in `config.yaml: 5 targets, 2 channels, no mistakes`."""
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
