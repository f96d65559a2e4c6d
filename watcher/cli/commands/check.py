"""`watcher check`: checks targets once, now."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from watcher.cli.common import (
    env_file_option,
    env_path,
    errors_on_one_line,
)
from watcher.cli.target_names import complete_target
from watcher.config import load_configuration
from watcher.config.env.settings import DEFAULTS
from watcher.config.mistakes import ConfigurationError, did_you_mean, shown
from watcher.config.targets.address import complaint_about
from watcher.model.target import Target
from watcher.text.escaping import one_line
from watcher.text.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


MAX_SHOWN_ADDRESS_CHARS = 2000


@click.command()
@click.argument("what", nargs=-1, metavar="[ADDRESS or NAME]...", shell_complete=complete_target)
@click.option("--all", "all_of_them", is_flag=True, help="Check all targets of the config file, with a line each.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
@env_file_option
def check(what: tuple[str, ...], all_of_them: bool, as_json: bool, env_file: str | None) -> None:
    """Check targets once, now, and show the timing; neither a daemon nor a database is needed.

    An ADDRESS need not be in the config file, which may be missing; a NAME is the name of a configured target. Nothing
    is stored.

    Exit status: 0 all succeed, 1 a check fails, 2 bad configuration or usage, 130 interrupted.

    Example: watcher check https://example.com/
    """
    if all_of_them and what:
        raise click.UsageError("--all checks all targets; remove it, or the names")
    if not all_of_them and not what:
        raise click.UsageError("nothing to check; give an address, the name of a target, or --all")
    for address in filter(_is_address, what):
        complaint = complaint_about(address)
        if complaint:
            raise click.UsageError(f"{shown(without_secrets(address))} {complaint}")
    path = env_path(env_file)
    with errors_on_one_line():
        targets, max_workers = _configured(path, needed=all_of_them or not all(map(_is_address, what)))
        if not all_of_them:
            by_name = {target.name: target for target in (_target(word, targets) for word in what)}
            targets = tuple(by_name.values())
        # Imported here, since completion must be quick.
        from watcher.cli.check_runner import check_and_show

        sys.exit(check_and_show(targets, max_workers, as_lines=all_of_them, as_json=as_json))


def _is_address(word: str) -> bool:
    return "://" in word


def _configured(path: Path, *, needed: bool) -> tuple[tuple[Target, ...], int]:
    """Return the configured targets and MAX_WORKERS; no targets if the configuration is bad and not needed."""
    try:
        configuration = load_configuration(path, with_warnings=False)
        settings, targets = configuration.settings, configuration.targets
    except ConfigurationError:
        if needed:
            raise
        return (), int(DEFAULTS["MAX_WORKERS"] or 1)
    return targets, settings.max_workers


def _target(word: str, targets: Sequence[Target]) -> Target:
    for target in targets:
        if word == target.name:
            return target
    if _is_address(word):
        for target in targets:
            if word == target.address:
                return target
        shown_address = one_line(without_secrets(word), limit_chars=MAX_SHOWN_ADDRESS_CHARS)
        return Target(name=shown_address, address=word, shown_address=shown_address)
    hint = did_you_mean(word, [target.name for target in targets])
    raise click.UsageError(f"no target is called {shown(word)}{hint or '; an address starts with https:// or http://'}")
