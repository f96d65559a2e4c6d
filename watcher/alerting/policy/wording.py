"""The title and the text that a message has where its channel has no templates: short sentences, times in UTC."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watcher.model.alerts.notification import MAX_TARGETS_LISTED, Kind
from watcher.model.state import State
from watcher.model.wording import duration, why

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.alerting.policy.line import Line
    from watcher.alerting.policy.view import View

# How a state is said of one site and of several.
_IS = {State.DOWN: "down", State.DEGRADED: "degraded", State.UP: "up"}
_DEFAULT_LOCATION = "default"


def title_of(kind: Kind, lines: Sequence[Line]) -> str:
    """Return the title: what has happened to which site, or to how many."""
    if len(lines) == 1:
        return _headline(lines[0])
    states = {line.state for line in lines}
    many = f"{len(lines)} sites"
    match kind:
        case Kind.UP if len({line.state for line in lines}) == 1 and State.UP in states:
            return f"{many} are up"
        case Kind.CERTIFICATE:
            return f"Certificates of {many} end soon"
        case Kind.FLAPPING:
            return f"{many} are flapping, or have calmed down"
        case Kind.REMINDER | Kind.ESCALATION:
            return f"{many} are still {_states(lines)}"
        case Kind.UNKNOWN:
            return f"{many} cannot be checked"
        case Kind.MIXED | Kind.UP:
            return f"{many}: {_states(lines)}"
        case _:
            return f"{many} are {_states(lines)}"


def text_of(kind: Kind, lines: Sequence[Line], at: datetime, view: View) -> str:
    """Return the text: of one site all that is known, of many a line each.

    Args:
        kind: of the message.
        lines: what it tells of.
        at: when it was decided on.
        view: the present.
    """
    if len(lines) == 1:
        return "\n".join(_of_one(lines[0], at, view))
    listed = [f"- {_short(line, at)}" for line in lines[:MAX_TARGETS_LISTED]]
    more = len(lines) - MAX_TARGETS_LISTED
    told = [f"{title_of(kind, lines)}:", *listed]
    if more > 0:
        told.append(f"and {more} more")
    if view.page_url is not None:
        told.append(f"{view.page_url}/")
    return "\n".join(told)


def gap_title(start: datetime, end: datetime) -> str:
    """Return the title of a message about a gap in this machine's network."""
    return f"The monitor had no network for {duration((end - start).total_seconds())}"


def gap_text(start: datetime, end: datetime) -> str:
    """Return the text of a message about a gap in this machine's network."""
    return (
        f"This machine had no network from {_when(start, end)} to {_when(end, end)}. "
        "What sites did meanwhile is not known."
    )


def _headline(line: Line) -> str:
    name = _name(line)
    match line.kind:
        case Kind.CERTIFICATE:
            return f"The certificate of {name} ends in {_days(line)}"
        case Kind.FLAPPING:
            return f"{name} is flapping" if line.began else f"{name} flaps no longer, it is {_word(line.state)}"
        case Kind.REMINDER | Kind.ESCALATION:
            return f"{name} {_is(line.state, 'is still')}"
        case Kind.UP if line.times > 1:
            return f"{name} was {_word(line.before)} {line.times} times, and is {_word(line.state)}"
        case _:
            return f"{name} {_is(line.state, 'is')}"


def _of_one(line: Line, at: datetime, view: View) -> list[str]:
    told = [_sentence(line, at)]
    cause = _why(line)
    if cause and line.kind is not Kind.UP:
        told.append(f"Why: {cause}")
    elif cause:
        told.append(f"Why it was: {cause}")
    if line.last_up_at is not None and line.state is not State.UP:
        told.append(f"Last seen up: {_when(line.last_up_at, at)}")
    if line.dependents:
        told.append(_dependents(line).capitalize())
    link = view.link_to(line.target)
    if link is not None:
        told.append(link)
    target = view.targets.get(line.target)
    if target is not None and target.alerts.description:
        told.append(target.alerts.description)
    return told


def _sentence(line: Line, at: datetime) -> str:
    name = _name(line)
    if line.certificate is not None:
        return f"The certificate of {name} ends on {line.certificate.expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC."
    if line.kind is Kind.FLAPPING and line.began:
        return f"{name} goes down and up too often to tell each time. The next message comes when it is calm."
    since = "" if line.since is None else f" since {_when(line.since, at)}"
    if line.kind is not Kind.UP:
        lasts = "" if line.since is None else f", for {duration(max((at - line.since).total_seconds(), 0))}"
        return f"{name} {_is(line.state, 'has been')}{since}{lasts}."
    lasted = "" if line.lasted_seconds is None else f" for {duration(max(line.lasted_seconds, 0))}"
    if line.times > 1:
        lasted = f" {line.times} times,{lasted} the last time"
    return f"{name} {_is(line.state, 'has been')}{since}. It was {_word(line.before)}{lasted}."


def _short(line: Line, at: datetime) -> str:
    """Tell all of a site in one line of many."""
    told = _headline(line)
    if line.kind is Kind.UP and line.lasted_seconds is not None:
        return f"{told}, was {_word(line.before)} for {duration(max(line.lasted_seconds, 0))}"
    if line.since is not None and line.kind is not Kind.CERTIFICATE:
        told += f" since {_when(line.since, at)}"
    cause = _why(line)
    if cause:
        told += f": {cause}"
    return f"{told}, {_dependents(line)}" if line.dependents else told


def _dependents(line: Line) -> str:
    return f"and {line.dependents} that {'depends' if line.dependents == 1 else 'depend'} on it"


def _why(line: Line) -> str:
    return "" if line.cause is None else why(line.cause.reason, line.cause.detail)


def _states(lines: Sequence[Line]) -> str:
    counts = Counter(_word(line.state) for line in lines)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{count} {word}" for word, count in counts.most_common())


def _word(state: State) -> str:
    return _IS.get(state, "not checkable" if state is State.UNKNOWN else str(state))


def _is(state: State, verb: str) -> str:
    return f"{verb} {_word(state)}"


def _name(line: Line) -> str:
    return line.target if line.location == _DEFAULT_LOCATION else f"{line.target} ({line.location})"


def _days(line: Line) -> str:
    days = 0 if line.certificate is None else line.certificate.step_days
    return "a day" if days == 1 else f"{days} days"


def _when(moment: datetime, now: datetime) -> str:
    """Write a moment, without its date where that is today's."""
    moment, now = moment.astimezone(UTC), now.astimezone(UTC)
    return f"{moment:%H:%M:%S} UTC" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M} UTC"
