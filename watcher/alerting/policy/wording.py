"""Writes the default title and text of a message: short sentences, times in UTC."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watcher.model.alerts.notification import MAX_TARGETS_LISTED, Kind
from watcher.model.places import COMBINED, where_in_trouble
from watcher.model.state import State
from watcher.model.wording import duration, why
from watcher.text.escaping import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.alerting.policy.line import Line
    from watcher.alerting.policy.view import View

# The bound of the names in a title about many targets, in characters: it is the subject of a mail.
MAX_NAMES_CHARS = 60
# The bound of the part that names places, in characters.
MAX_PLACES_CHARS = 80
_DEFAULT_LOCATION = "default"


def title_of(kind: Kind, lines: Sequence[Line]) -> str:
    """Return the title: the change of one site, or the number of sites and the names of the first."""
    if len(lines) == 1:
        return _title_of_one(lines[0])
    many, names = f"{len(lines)} sites", _names(lines)
    states = Counter(line.state for line in lines)
    match kind:
        case Kind.CERTIFICATE:
            return f"Certificates of {many} end soon: {names}"
        case Kind.FLAPPING:
            return f"{many} have begun to flap, or are calm again: {names}"
        case _ if len(states) > 1:
            return f"{many}: {', '.join(f'{count} {_word(state)}' for state, count in states.most_common())} ({names})"
        case Kind.REMINDER | Kind.ESCALATION:
            return f"{many} {_still(lines[0].state, many=True)}: {names}"
        case _:
            return f"{many} {_now(lines[0].state, many=True)}: {names}"


def text_of(lines: Sequence[Line], at: datetime, view: View) -> str:
    """Return the text: all details of one site, or one line for each of many.

    Args:
        lines: the content.
        at: when it was decided.
        view: the present state of the targets.
    """
    if len(lines) == 1:
        return "\n".join(_of_one(lines[0], at, view))
    told = [f"- {_of_many(line, at)}" for line in lines[:MAX_TARGETS_LISTED]]
    if len(lines) > MAX_TARGETS_LISTED:
        told.append(f"and {len(lines) - MAX_TARGETS_LISTED} more")
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
        "The state of sites in this time is unknown."
    )


def _names(lines: Sequence[Line]) -> str:
    """Return as many names as fit, and count the rest: `Checkout, Search and 6 more`."""
    names, room = list[str](), MAX_NAMES_CHARS
    for line in lines:
        name = one_line(_name(line), MAX_NAMES_CHARS)
        room -= len(name)
        if names and room < 0:
            return f"{', '.join(names)} and {len(lines) - len(names)} more"
        names.append(name)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _title_of_one(line: Line) -> str:
    name = _name(line)
    match line.kind:
        case Kind.CERTIFICATE:
            return f"The certificate of {name} ends in {_days(line)}"
        case Kind.FLAPPING:
            return f"{name} is flapping" if line.began else f"{name} no longer flaps: it {_now(line.state)}"
        case Kind.REMINDER | Kind.ESCALATION:
            return f"{name} {_still(line.state)}{_where(line)}"
        case Kind.UP if line.times > 1:
            return f"{name} {_then(line.before)} {line.times} times, and {_now(line.state)}"
        case _:
            return f"{name} {_now(line.state)}{_where(line)}"


def _of_one(line: Line, at: datetime, view: View) -> list[str]:
    told = [_sentence(line, at)]
    if line.cause is not None:
        cause = why(line.cause.reason, line.cause.detail)
        told.append(f"Why: {cause}" if line.kind is not Kind.UP else f"The cause was: {cause}")
    if line.last_up_at is not None and line.kind is not Kind.UP:
        told.append(f"Last seen up: {_when(line.last_up_at, at)}")
    if line.dependents:
        told.append(f"{_dependents(line).capitalize()}.")
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
        return f"{name} goes down and up too often for a message each time. The next one comes when it is calm again."
    since = "" if line.since is None else f" since {_when(line.since, at)}"
    if line.kind is not Kind.UP:
        lasts = "" if line.since is None else f", for {duration(max((at - line.since).total_seconds(), 0))}"
        where = _where(line)
        if where.startswith(":"):  # the reason says it; here it would end the sentence
            where = ""
        return f"{name} {_until_now(line.state)}{where}{since}{lasts}."
    lasted = "" if line.lasted_seconds is None else f" for {duration(max(line.lasted_seconds, 0))}"
    if line.times > 1:
        lasted = f" {line.times} times,{lasted} the last time"
    return f"{name} {_until_now(line.state)}{since}. It {_then(line.before)}{lasted}."


def _of_many(line: Line, at: datetime) -> str:
    """Return one line with everything about a site."""
    name = _name(line)
    match line.kind:
        case Kind.CERTIFICATE:
            return f"{name}: the certificate ends in {_days(line)}"
        case Kind.FLAPPING if line.began:
            return f"{name}: flapping"
        case Kind.UP:
            lasted = "" if line.lasted_seconds is None else f" for {duration(max(line.lasted_seconds, 0))}"
            times = f" {line.times} times," if line.times > 1 else ""
            return f"{name}: {_word(line.state)}; it {_then(line.before)}{times}{lasted}"
    told = f"{name}: {_word(line.state)}"
    if line.since is not None:
        told += f" since {_when(line.since, at)}"
    if line.cause is not None:
        told += f"; {why(line.cause.reason, line.cause.detail)}"
    return f"{told}; {_dependents(line)}" if line.dependents else told


def _dependents(line: Line) -> str:
    return f"and {line.dependents} that {'depends' if line.dependents == 1 else 'depend'} on it"


def _word(state: State) -> str:
    return "not checkable" if state is State.UNKNOWN else str(state)


def _now(state: State, *, many: bool = False) -> str:
    return "cannot be checked" if state is State.UNKNOWN else f"{'are' if many else 'is'} {state}"


def _still(state: State, *, many: bool = False) -> str:
    return "still cannot be checked" if state is State.UNKNOWN else f"{'are' if many else 'is'} still {state}"


def _until_now(state: State) -> str:
    return "has been impossible to check" if state is State.UNKNOWN else f"has been {state}"


def _then(state: State) -> str:
    return "could not be checked" if state is State.UNKNOWN else f"was {state}"


def _name(line: Line) -> str:
    return line.target if line.location in {_DEFAULT_LOCATION, COMBINED} else f"{line.target} ({line.location})"


def _where(line: Line) -> str:
    """Return the places that see a target in trouble, as the text after its state; empty for one place."""
    if line.location != COMBINED:
        return ""
    return one_line(where_in_trouble(line.cause, line.state) or "", MAX_PLACES_CHARS)


def _days(line: Line) -> str:
    days = 0 if line.certificate is None else line.certificate.step_days
    return "a day" if days == 1 else f"{days} days"


def _when(moment: datetime, now: datetime) -> str:
    """Return a moment as text, without its date if that is today's."""
    moment, now = moment.astimezone(UTC), now.astimezone(UTC)
    return f"{moment:%H:%M:%S} UTC" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M} UTC"
