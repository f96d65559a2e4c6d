"""Applies a changed configuration while checks go on: unchanged targets stay, a broken file changes nothing."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, NoReturn

import structlog
import trio

from watcher.checking.scheduling.small_turns import in_small_turns
from watcher.config.env.settings_table import KEY_OF_FIELD, SETTINGS
from watcher.config.mistakes import A_WARNING, ConfigurationError, log_event_of
from watcher.daemon.changes import Change, deliver
from watcher.daemon.garbage import not_collecting
from watcher.model.difference import difference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from watcher.config import Configuration
    from watcher.config.env.settings import Settings
    from watcher.config.mistakes import Mistake
    from watcher.model.difference import Difference
    from watcher.model.target import Target

log = structlog.get_logger()

# The time to a retry after a refusal: the cause may be unwatched, for example a folder on the way to a secret.
RETRY_SECONDS = 60.0
# The longest that reading may take: 100,000 targets take some seconds.
READING_SECONDS = 120.0
# The most names in a log line, and the most lines about mistakes and about warnings.
MAX_NAMES = 20
MAX_MISTAKES = 100

# Settings that are in use for as long as the daemon runs, by field.
_FIXED = {setting.field: setting.key for setting in SETTINGS if not setting.reloads}


class Reloader:
    """Reads the configuration again on request, and hands on the changes.

    Attributes:
        current: the present configuration.
    """

    def __init__(
        self,
        configuration: Configuration,
        load: Callable[[], Configuration],
        changes: trio.MemorySendChannel[Change],
        announce: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Start with the daemon's first configuration.

        Args:
            configuration: the first one.
            load: reads it again; called in a thread.
            changes: takes the changes; a reload lasts until its change is applied.
            announce: makes the context of each reload.
        """
        self.current = configuration
        self._load = load
        self._changes = changes
        self._announce = announce
        self._asked = trio.Event()
        self._by_hand = False
        self._refused: tuple[Mistake, ...] = ()
        self._refused_files: tuple[Path, ...] = ()
        self._waiting: list[str] = []

    @property
    def is_refused(self) -> bool:
        """Whether the present files have mistakes, so that they are not in use."""
        return bool(self._refused)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files to watch: those in use, and those of a refused configuration."""
        return (*self.current.files, *self._refused_files)

    def ask(self, *, by_hand: bool = False) -> None:
        """Request a reload; requests during a reload result in one more after it.

        Args:
            by_hand: log the result even if nothing has changed.
        """
        self._by_hand |= by_hand
        self._asked.set()

    async def run(self) -> NoReturn:
        """Reload on each request, until cancelled."""
        while True:
            with trio.move_on_after(RETRY_SECONDS if self.is_refused else inf):
                await self._asked.wait()
            self._asked = trio.Event()
            by_hand, self._by_hand = self._by_hand, False
            with not_collecting(), in_small_turns(), self._announce():
                await self._reload(by_hand=by_hand)

    async def _reload(self, *, by_hand: bool) -> None:
        try:
            with trio.fail_after(READING_SECONDS):
                loaded, found = await trio.to_thread.run_sync(self._load_and_compare, abandon_on_cancel=True)
        except ConfigurationError as error:
            if by_hand or error.mistakes != self._refused:
                _log_mistakes(error)
            self._refused, self._refused_files = error.mistakes, error.files
            return
        except trio.TooSlowError:  # for example a file system that hangs
            log.error("the configuration cannot be read in time, nothing is changed", seconds=READING_SECONDS)
            return
        except Exception:  # the boundary of a reload: checks go on, whatever a file triggers
            log.exception("the configuration cannot be read because of a bug in watcher, nothing is changed")
            return
        was_refused, self._refused, self._refused_files = self.is_refused, (), ()
        known = frozenset(self.current.warnings)
        tell_warnings([warning for warning in loaded.warnings if warning not in known])
        fixed = {name: getattr(self.current.settings, name) for name in _FIXED}
        waiting = [key for name, key in _FIXED.items() if getattr(loaded.settings, name) != fixed[name]]
        changed = _changed_keys(self.current.settings, replace(loaded.settings, **fixed))
        has_new_page = loaded.page != self.current.page
        has_new_alerting = loaded.alerting != self.current.alerting
        self.current = replace(loaded, settings=replace(loaded.settings, **fixed), targets=found.targets)
        await deliver(self._changes, Change(self.current.settings, found, loaded.page, loaded.alerting))
        if waiting and (by_hand or waiting != self._waiting):
            log.warning("changed settings need a restart, the former values are still in use", keys=waiting)
        self._waiting = waiting
        if changed or has_new_page or has_new_alerting or not found.is_empty:
            log.info(
                "configuration reloaded",
                added=_names_of(found.added),
                removed=_names_of(found.removed),
                changed=_names_of(found.changed),
                unchanged=found.unchanged,
                settings=changed or None,
                page="changed" if has_new_page else None,
                alerting="changed" if has_new_alerting else None,
            )
        elif by_hand or was_refused:
            log.info("configuration reloaded, nothing has changed", unchanged=found.unchanged)

    def _load_and_compare(self) -> tuple[Configuration, Difference]:
        loaded = self._load()
        return loaded, difference(self.current.targets, loaded.targets)


def tell_warnings(warnings: Sequence[Mistake]) -> None:
    """Log warnings: valid configuration that may not do what its author expects."""
    for warning in warnings[:MAX_MISTAKES]:
        log.warning(log_event_of(warning, A_WARNING))


def _changed_keys(before: Settings, after: Settings) -> list[str]:
    return [key for field, key in KEY_OF_FIELD.items() if getattr(before, field) != getattr(after, field)]


def _log_mistakes(error: ConfigurationError) -> None:
    log.error("the configuration has mistakes, nothing is changed", mistakes=len(error.mistakes))
    for mistake in error.mistakes[:MAX_MISTAKES]:
        log.error(log_event_of(mistake))


def _names_of(targets: Sequence[Target]) -> list[str] | None:
    if not targets:
        return None
    more = len(targets) - MAX_NAMES
    return [*(target.name for target in targets[:MAX_NAMES]), *([f"and {more} more"] if more > 0 else [])]
