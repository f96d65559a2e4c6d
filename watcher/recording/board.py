"""Keeps the newest outcome and standing of each target in memory for immediate reads."""

from __future__ import annotations

import math
import struct
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from watcher.model.outcome import Phases, Reason, reason_named
from watcher.model.returns import Returns
from watcher.model.state import Standing, State
from watcher.recording.results import unpacked, with_result

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from watcher.history.present_state import Present
    from watcher.model.conclusion import Conclusion
    from watcher.model.outcome import Outcome
    from watcher.model.state import Flip
    from watcher.recording.results import Result

# The bound of the names of the targets whose states changed last.
MAX_CHANGED = 1000
# The bound of a detail: without its earlier results, a target stays below half a KB.
MAX_DETAIL_BYTES = 160

# The measurements of the newest check, each with its `struct` code: the start in seconds since 1970, durations in
# seconds. As objects they would take 500 bytes.
_MEASURED = {
    "started_at": "d",
    **dict.fromkeys(("duration", "resolve", "connect", "tls", "processing", "transfer"), "f"),
    "status_code": "h",
    "redirects": "h",
    "tenfold_http_version": "B",
    "ip_version": "B",
}
_NUMBERS = struct.Struct("=" + "".join(_MEASURED.values()))
_NONE = -1  # no status code or no redirects; for the versions, 0 means none
_TENFOLD_VERSIONS = {"1.0": 10, "1.1": 11, "2": 20}
_ELLIPSIS = "…".encode()

# Standing, _NUMBERS followed by the newest results, reason, detail, end of the certificate.
Kept = tuple["Standing", bytes, Reason | None, bytes, datetime | None]
_OTHER_PLACES = {"reason": 2, "cert_expires_at": 4}


@dataclass(frozen=True, slots=True)
class Latest:
    """The present standing of a target and its newest check.

    Attributes:
        target: its name.
        standing: its state, and since when.
        started_at: start of its newest check, UTC; None without a check since the daemon started.
        duration_seconds: of that check, as are all attributes below.
        reason: why it failed, None for a success.
        detail: of a failure or of a degraded success, cut to MAX_DETAIL_BYTES; otherwise empty.
        status_code, cert_expires_at: as in `Outcome`.
        phases: the duration of each phase.
        redirects: as in `Outcome`.
        http_version: for example 1.1 or 2.0; None without a response.
        ip_version: 4 or 6; None without a connection.
    """

    target: str
    standing: Standing
    started_at: datetime | None = None
    duration_seconds: float | None = None
    reason: Reason | None = None
    detail: str = ""
    status_code: int | None = None
    cert_expires_at: datetime | None = None
    phases: Phases = field(default_factory=Phases)
    redirects: int | None = None
    http_version: float | None = None
    ip_version: int | None = None

    @property
    def ok(self) -> bool | None:
        """Whether the newest check succeeded; None without a check."""
        return None if self.started_at is None else self.reason is None


def _reader(name: str) -> struct.Struct:
    """Return a struct that reads one number and skips all numbers before and after it."""
    names = list(_MEASURED)
    before, code, after = names[: names.index(name)], _MEASURED[name], names[names.index(name) + 1 :]
    sizes = [struct.calcsize("=" + "".join(_MEASURED[one] for one in some)) for some in (before, after)]
    return struct.Struct(f"={sizes[0]}x{code}{sizes[1]}x")


_READERS = {name: _reader(name) for name in _MEASURED}


def column(name: str, kept: Iterable[Kept]) -> list[Any]:
    """Return one measurement of many newest checks, in their order, without creating an object for each check.

    Args:
        name: `reason` or `cert_expires_at`, as in `Outcome`; `started_at` in seconds since 1970; `duration`,
            `resolve`, `connect`, `tls`, `processing` or `transfer` in seconds, NaN for a phase that did not happen;
            `status_code` or `redirects`, -1 for none; `tenfold_http_version` or `ip_version`, 0 for none.
        kept: see `Board.newest_of`.
    """
    if name in _OTHER_PLACES:
        place = _OTHER_PLACES[name]
        return [one[place] for one in kept]
    return [value for (value,) in _READERS[name].iter_unpack(b"".join([one[1][: _NUMBERS.size] for one in kept]))]


class Board:
    """The newest check of each watched target; used only from the loop, and no call waits."""

    def __init__(self) -> None:
        """Create a board without targets."""
        self._kept: dict[str, Kept] = {}
        self.changes = 0  # number of state changes and of added and removed targets
        self._changed = deque[str](maxlen=MAX_CHANGED)
        self._elsewhere: set[str] = set()
        self.checks = 0  # number of checks recorded
        self.returns = Returns()  # from trouble and maintenance

    def __len__(self) -> int:
        """Count the targets."""
        return len(self._kept)

    def __iter__(self) -> Iterator[Latest]:
        """Yield each target; the reader may wait in between, and then misses changes made meanwhile."""
        return (_read(name, kept) for name, kept in list(self._kept.items()))

    def of(self, target: str) -> Latest | None:
        """Return the newest check and standing of a target, by name; None if it is not watched."""
        kept = self._kept.get(target)
        return None if kept is None else _read(target, kept)

    def standing_of(self, target: str) -> Standing | None:
        """Return the standing of a target; None if it is not watched."""
        kept = self._kept.get(target)
        return None if kept is None else kept[0]

    def standings_of(self, targets: Iterable[str]) -> list[Standing | None]:
        """Return the standings of many targets, in their order; None for each that is not watched."""
        kept = self._kept
        return [None if (one := kept.get(target)) is None else one[0] for target in targets]

    def duration_of(self, target: str) -> float | None:
        """Return the duration of the newest check of a target, in seconds; None without a check."""
        return self._number_of(target, "duration")

    def started_at_of(self, target: str) -> float | None:
        """Return the start of the newest check of a target, in seconds since 1970; None without a check."""
        return self._number_of(target, "started_at")

    def newest_of(self, target: str) -> Kept | None:
        """Return the stored newest check of a target, for `column`; None without a check."""
        kept = self._kept.get(target)
        return kept if kept is not None and kept[1] else None

    def _number_of(self, target: str, name: str) -> float | None:
        newest = self.newest_of(target)
        return None if newest is None else float(_READERS[name].unpack_from(newest[1])[0])

    def results_of(self, target: str) -> list[Result]:
        """Return the newest results of a target since the daemon started, oldest first."""
        kept = self._kept.get(target)
        return [] if kept is None else unpacked(kept[1][_NUMBERS.size :])

    def place(self, standings: Mapping[str, Standing]) -> None:
        """Store the standings of new targets, or standings that no check reports; the last checks of targets stay.

        Args:
            standings: by target name.
        """
        self._elsewhere.difference_update(standings)
        for name, standing in standings.items():
            self._note_change(name)
            self._note_state(name, standing)
            self._kept[name] = (standing, *self._kept.get(name, (standing, b"", None, b"", None))[1:])

    def place_elsewhere(self, seen: Iterable[Present]) -> None:
        """Store the standings of targets that other replicas watch; targets watched here are not changed.

        Args:
            seen: the state of each target, with its reason.
        """
        for one in seen:
            known = self._kept.get(one.target)
            if known is not None and one.target not in self._elsewhere:
                continue
            self._elsewhere.add(one.target)
            if known is None or (known[0].state, known[0].since) != (one.state, one.since):
                self._note_change(one.target)
                self._kept[one.target] = kept = _elsewhere(one)
                self._note_state(one.target, kept[0])

    def drop_elsewhere(self, but: Collection[str] = frozenset()) -> None:
        """Forget targets of other replicas that no replica watches any more.

        Args:
            but: the names of those that a replica still watches.
        """
        self.drop(self._elsewhere.difference(but))

    def is_elsewhere(self, target: str) -> bool:
        """Return whether another replica watches a target."""
        return target in self._elsewhere

    def put(self, conclusion: Conclusion) -> None:
        """Store the result of a check, unless its target is no longer watched."""
        outcome = conclusion.outcome
        name, fault = outcome.target, outcome.fault
        if name not in self._kept or name in self._elsewhere:
            return
        reason, detail = (None, outcome.degraded) if fault is None else (fault.reason, fault.detail)
        text = b"" if detail is None else _cut(detail)
        before = self._kept[name]
        if before[0].state is not conclusion.standing.state:
            self._note_change(name)
            self._note_state(name, conclusion.standing, conclusion.flips)
        self.checks += 1
        started_at = outcome.started_at.timestamp()
        results = before[1][_NUMBERS.size :]
        results = with_result(results, started_at, outcome.duration_seconds, reason, outcome.status_code)
        measured = _numbers_of(started_at, outcome) + results
        self._kept[name] = (conclusion.standing, measured, reason, text, outcome.cert_expires_at)

    def drop(self, targets: Iterable[str]) -> None:
        """Forget targets that are no longer watched, by name."""
        names = list(targets)
        self.returns.drop(names)
        for name in names:
            if self._kept.pop(name, None) is not None:
                self._note_change(name)
            self._elsewhere.discard(name)

    def changed_since(self, changes: int) -> list[str] | None:
        """Return the names of targets that changed state, came or went; None if there were too many.

        Args:
            changes: the value of `changes` at the last call.
        """
        count = self.changes - changes
        return None if count > len(self._changed) else list(islice(reversed(self._changed), count))

    def _note_state(self, target: str, standing: Standing, flips: Sequence[Flip] = ()) -> None:
        moment = flips[-1].confirmed_at if flips else standing.since
        if moment is not None:
            self.returns.take(target, standing.before if standing.state is State.UNKNOWN else standing.state, moment)

    def _note_change(self, target: str) -> None:
        self.changes += 1
        self._changed.append(target)


def _numbers_of(started_at: float, outcome: Outcome) -> bytes:
    phases = outcome.phases
    return _NUMBERS.pack(
        started_at,
        outcome.duration_seconds,
        math.nan if phases.resolve is None else phases.resolve,
        math.nan if phases.connect is None else phases.connect,
        math.nan if phases.tls is None else phases.tls,
        math.nan if phases.processing is None else phases.processing,
        math.nan if phases.transfer is None else phases.transfer,
        _NONE if outcome.status_code is None else outcome.status_code,
        _NONE if outcome.redirects is None else outcome.redirects,
        _TENFOLD_VERSIONS.get(outcome.http_version or "", 0),
        0 if outcome.ip is None else 6 if ":" in outcome.ip else 4,
    )


def _cut(detail: str) -> bytes:
    text = detail[: MAX_DETAIL_BYTES + 1].encode("utf-8", "backslashreplace")
    return text if len(text) <= MAX_DETAIL_BYTES else text[: MAX_DETAIL_BYTES - len(_ELLIPSIS)] + _ELLIPSIS


def _elsewhere(seen: Present) -> Kept:
    text = b"" if seen.detail is None else _cut(seen.detail)
    return Standing(seen.state, seen.since, seen.state), b"", reason_named(seen.reason), text, None


def _read(name: str, kept: Kept) -> Latest:
    standing, measured, reason, detail, cert_expires_at = kept
    if not measured:
        return Latest(name, standing, reason=reason, detail=detail.decode("utf-8", "ignore"))
    numbers = _NUMBERS.unpack_from(measured)
    started_at, duration_seconds, *phases, status_code, redirects, http_version, ip_version = numbers
    return Latest(
        name,
        standing,
        datetime.fromtimestamp(started_at, UTC),
        duration_seconds,
        reason,
        detail.decode("utf-8", "ignore"),  # the cut may have gone through a character
        None if status_code == _NONE else status_code,
        cert_expires_at,
        Phases(*(None if math.isnan(seconds) else seconds for seconds in phases)),
        None if redirects == _NONE else redirects,
        http_version / 10 or None,
        ip_version or None,
    )
