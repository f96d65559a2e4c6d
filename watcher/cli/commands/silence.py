"""`watcher silence`: starts, lists and ends silences."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from watcher.alerting.silences.orders import (
    SHOWN_ID_CHARS,
    OrderError,
    covered_words,
    ended,
    new_silence,
    silence_as_json,
)
from watcher.cli.common import EXIT_NO_DATABASE, MAX_ERROR_CHARS, env_file_option, env_path, errors_on_one_line
from watcher.cli.options import DurationType, MomentType, json_option
from watcher.cli.target_names import complete_target, configured_or_exit, login_name
from watcher.config.env.settings import load_settings
from watcher.model.wording import duration
from watcher.text.escaping import one_line
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from watcher.config.env.settings import Settings
    from watcher.model.alerts.silence import Silence

NOT_TOLD_YET = "; stored in the database, where daemons read it within seconds, or half a minute behind a pooler"


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_target)
@click.option("--group", help="Silence all targets of this group.")
@click.option("--all", "all_of_them", is_flag=True, help="Silence all targets.")
@click.option("--for", "length", type=DurationType(), help="How long, as in 30m, 2h or 1h30m.")
@click.option("--until", type=MomentType(), help="Until when, as in 18:30 or 2026-12-01T18:30Z.")
@click.option("--why", help="The reason (mandatory), for those who miss the messages.")
@click.option("--by", default=login_name, help="Who silences; your login name by default.")
@click.option("--list", "lists", is_flag=True, help="List the active silences.")
@click.option("--end", "ends", metavar="ID", help="End a silence; the first characters of its id are enough.")
@json_option
@env_file_option
def silence(
    names: tuple[str, ...],
    group: str | None,
    all_of_them: bool,
    length: timedelta | None,
    until: datetime | None,
    why: str | None,
    by: str,
    lists: bool,
    ends: str | None,
    as_json: bool,
    env_file: str | None,
) -> None:
    """Stop notifications about targets for a while; their checks and recorded states go on.

    An incident that starts during the silence and is still open at its end is sent then. A running daemon obeys within
    a second. If none is running in WATCHER_DATA_DIR, the silence is written to PostgreSQL, where daemons read it within
    seconds, or half a minute behind a pooler.

    Exit status: 0 success, 1 no such silence, 2 bad configuration or usage, 3 neither a daemon nor a database.

    Example: watcher silence Checkout --for 2h --why "move to the new rack"
    """
    wanted = [bool(names), group is not None, all_of_them, lists, ends is not None]
    if sum(wanted) != 1:
        raise click.UsageError("give exactly one of names of targets, --group, --all, --list and --end")
    if (lists or ends is not None) and (length, until, why) != (None, None, None):
        raise click.UsageError("--for, --until and --why are only for a new silence")
    if as_json and not lists:
        raise click.UsageError("--json is only for --list")
    path = env_path(env_file)
    with errors_on_one_line(EXIT_NO_DATABASE):
        if lists:
            _list(path, as_json=as_json)
        elif ends is not None:
            _end(path, ends)
        elif why is None:
            raise click.MissingParameter(param_type="option", param_hint="'--why'")
        else:
            _start(path, names, group, (length, until), why, by)


def _start(
    path: Path,
    names: Sequence[str],
    group: str | None,
    span: tuple[timedelta | None, datetime | None],
    why: str,
    by: str,
) -> None:
    from watcher.cli.orders import give, moment  # imported here, since completion must be quick

    settings = configured_or_exit(path, names, group).settings
    options = {"until": "--for or --until", "why": "--why", "by": "--by", "targets": "the list of names"}
    try:
        start = moment(settings)
        new = new_silence(start=start, end=_end_of(start, *span), why=why, by=by, targets=names or None, group=group)
    except OrderError as error:
        raise click.UsageError(f"{options.get(error.field, error.field)} {error}") from None
    rest = "" if give(settings, new) else NOT_TOLD_YET
    held = f"{covered_words(new)}: no notifications {_until(new, new.start)}"
    _say(f"{held}{rest}; to end it: watcher silence --end {_short(new)}")


def _end(path: Path, prefix: str) -> None:
    from watcher.cli.orders import give, moment

    settings = load_settings(path)
    now = moment(settings)
    found = [one for one in _present(settings, now) if str(one.id).startswith(prefix.lower())] if prefix else []
    if len(found) != 1:
        few = "no active silence has" if not found else f"{len(found)} silences have"
        raise click.ClickException(f"{few} an id that starts with {one_line(prefix, 40)!r}; --list shows them")
    rest = "" if give(settings, ended(found[0], now)) else NOT_TOLD_YET
    _say(f"{covered_words(found[0])}: notifications are sent again{rest}")


def _list(path: Path, *, as_json: bool) -> None:
    from watcher.cli.orders import moment

    settings = load_settings(path)
    now = moment(settings)
    found = _present(settings, now)
    if as_json:
        click.echo(json.dumps([silence_as_json(one) for one in found], indent=2))
        return
    for one in found:
        said_by = f" ({one.by})" if one.by else ""
        _say(f"{_short(one)}  {covered_words(one)}: no notifications {_until(one, now)}{said_by}")
    if not found:
        click.echo("no active silences")


def _present(settings: Settings, now: datetime) -> list[Silence]:
    """Return the silences that have not ended, sorted by their end."""
    from watcher.cli.orders import read_silences

    return sorted((one for one in read_silences(settings) if one.end > now), key=lambda one: (one.end, one.id))


def _end_of(start: datetime, length: timedelta | None, until: datetime | None) -> datetime:
    if (length is None) == (until is None):
        raise click.UsageError("give exactly one of --for and --until")
    if until is not None:
        return until
    assert length is not None
    return start + length


def _until(one: Silence, now: datetime) -> str:
    return f"until {timestamp(one.end)}, for {duration((one.end - now).total_seconds())}: {one.why}"


def _short(one: Silence) -> str:
    return str(one.id)[:SHOWN_ID_CHARS]


def _say(text: str) -> None:
    click.echo(one_line(text, limit_chars=MAX_ERROR_CHARS))
