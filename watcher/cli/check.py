"""`watcher check`: checks now, once."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click
import trio
from rich.text import Text

from watcher.checking.check import check_now
from watcher.checking.checker import open_checker
from watcher.cli.common import (
    EXIT_ERROR,
    EXIT_INTERRUPTED,
    cancel_on_signal,
    env_file_option,
    env_path,
    errors_on_one_line,
)
from watcher.cli.screen import Screen
from watcher.cli.waterfall import line, totals, waterfall
from watcher.config import load_configuration
from watcher.config.address import complaint_about
from watcher.config.mistakes import ConfigurationError, did_you_mean, shown
from watcher.config.settings import DEFAULTS
from watcher.model.redaction import without_secrets
from watcher.model.target import Target
from watcher.model.text import one_line
from watcher.model.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import RenderableType

    from watcher.checking.check import Report
    from watcher.checking.checker import Checker
    from watcher.model.outcome import Outcome

MAX_SHOWN_ADDRESS_CHARS = 2000


@click.command()
@click.argument("what", nargs=-1, metavar="[ADDRESS or NAME]...")
@click.option("--all", "all_of_them", is_flag=True, help="All targets of the config file, a line each.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@env_file_option
def check(what: tuple[str, ...], all_of_them: bool, as_json: bool, env_file: str | None) -> None:
    """Check now, once, and show where the time went; neither daemon nor database is needed.

    An ADDRESS need not be in the config file, nor is there need of one; a NAME is that of one of its targets. The exit
    status is 0 when all succeed, and 1 when one fails.

    Example: watcher check https://example.com/
    """
    if all_of_them and what:
        raise click.UsageError("--all checks all targets; leave it out, or the names")
    if not all_of_them and not what:
        raise click.UsageError("name what to check: an address, the name of a target, or --all")
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
        sys.exit(_check(targets, max_workers, as_lines=all_of_them, as_json=as_json))


def as_json_object(outcome: Outcome) -> dict[str, Any]:
    """Return what `--json` says of a check; what did not happen is None."""
    expires_at, fault = outcome.cert_expires_at, outcome.fault
    return {
        "target": outcome.target,
        "address": outcome.address,
        "ok": outcome.ok,
        "reason": None if fault is None else str(fault.reason),
        "detail": None if fault is None else fault.detail,
        "degraded": outcome.degraded,
        "started_at": timestamp(outcome.started_at),
        "duration_ms": round(outcome.duration_seconds * 1000, 3),
        "phases_ms": outcome.phases.as_milliseconds(),
        "status_code": outcome.status_code,
        "http_version": outcome.http_version,
        "ip": outcome.ip,
        "redirects": outcome.redirects,
        "body_bytes": outcome.body_bytes,
        "cert_expires_at": None if expires_at is None else timestamp(expires_at),
    }


def _is_address(word: str) -> bool:
    return "://" in word


def _configured(path: Path, *, needed: bool) -> tuple[tuple[Target, ...], int]:
    """Return the targets of the config, and how many checks may be in flight; none where it is bad and not needed."""
    try:
        configuration = load_configuration(path)
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
    raise click.UsageError(
        f"{shown(word)} is the name of no target{hint or '; an address begins with https:// or http://'}"
    )


def _check(targets: Sequence[Target], max_workers: int, *, as_lines: bool, as_json: bool) -> int:
    screen = Screen(len(targets), with_bar=as_lines)
    outcomes = trio.run(_check_all, targets, max_workers, screen, as_lines, as_json)
    if outcomes is None:
        # A thread may still be held up by who reads our output, and hold what an orderly exit flushes.
        os._exit(EXIT_INTERRUPTED)
    if as_json:
        click.echo(json.dumps([as_json_object(outcome) for outcome in outcomes], indent=2))
    elif as_lines:
        failing = sorted((outcome for outcome in outcomes if not outcome.ok), key=lambda outcome: outcome.target)
        # The lines of those that fail have gone up and out of sight.
        for part in (Text(), *map(line, failing), totals(outcomes)):
            screen.print(part)
    return 0 if all(outcome.ok for outcome in outcomes) else EXIT_ERROR


async def _check_all(
    targets: Sequence[Target],
    max_workers: int,
    screen: Screen,
    as_lines: bool,
    as_json: bool,
) -> list[Outcome] | None:
    """Check the targets and show each check when it is done; return None when interrupted."""
    outcomes: dict[int, Outcome] = {}  # and no exchanges: a thousand bodies could be a gigabyte
    parts: dict[int, RenderableType] = {}
    waiting = iter(enumerate(targets))
    next_shown = 0

    def show(index: int, report: Report) -> None:
        nonlocal next_shown
        if as_json or as_lines:
            screen.put(None if as_json else line(report.outcome))
            return
        parts[index] = waterfall(report)
        while next_shown in parts:  # what is asked for one by one is shown in the order of asking
            screen.put(parts.pop(next_shown))
            next_shown += 1

    # As many tasks as workers: one for each target would need memory for all of them at once.
    async def work(checker: Checker) -> None:
        for index, target in waiting:
            report = await check_now(target, checker)
            outcomes[index] = report.outcome
            show(index, report)

    unwritable: OSError | None = None
    done = False
    async with trio.open_nursery() as nursery:
        await nursery.start(cancel_on_signal, nursery.cancel_scope)
        try:
            async with trio.open_nursery() as inner:
                inner.start_soon(screen.run)
                async with open_checker(max_workers) as checker, trio.open_nursery() as workers:
                    for _ in range(min(max_workers, len(targets))):
                        workers.start_soon(work, checker)
            done = True
        except* OSError as group:
            unwritable = _first_leaf(group)
        nursery.cancel_scope.cancel()
    # Raised inside, it would come out of the nurseries in a group of groups.
    if unwritable is not None:
        raise unwritable
    return [outcomes[index] for index in range(len(targets))] if done else None


def _first_leaf(group: ExceptionGroup[OSError]) -> OSError:
    first = group.exceptions[0]
    return _first_leaf(first) if isinstance(first, ExceptionGroup) else first
