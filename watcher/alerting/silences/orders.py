"""The orders of operators: silences and acks, within their bounds. Pure."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from watcher.model.alerts.silence import Ack, Silence
from watcher.text.escaping import one_line
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

Order = Silence | Ack

MAX_WHY_CHARS = 500
MAX_BY_CHARS = 100
MAX_TARGETS = 1000
# The bound of silences in force: every event of a target is compared with each of them.
MAX_SILENCES = 300
LONGEST_SILENCE = timedelta(days=366)

# The length of an id as shown to people; any unique prefix of an id is accepted.
SHOWN_ID_CHARS = 8


class OrderError(ValueError):
    """An order that cannot be made.

    Attributes:
        field: the wrong field, named as in the API and the options of the commands.
    """

    def __init__(self, field: str, words: str) -> None:
        """Create one; `words` follow the name of the field in a sentence."""
        super().__init__(words)
        self.field = field


class TooManyError(Exception):
    """The bound of silences or acks in force is reached; the message is a sentence for the operator."""


def too_many_silences() -> TooManyError:
    """Return the error for a silence beyond the bound."""
    return TooManyError(f"{MAX_SILENCES} silences are in force already; end some of them, or silence a group")


def new_silence(
    *,
    start: datetime,
    end: datetime,
    why: str,
    by: str = "",
    targets: Iterable[str] | None = None,
    group: str | None = None,
    make_id: Callable[[], uuid.UUID] = uuid.uuid4,
) -> Silence:
    """Return a new silence.

    Args:
        start, end: moments with a time zone.
        why, by: the reason and the author; `by` may be empty.
        targets: names; None for all, or all of a group.
        group: None for all, or for the targets.
        make_id: returns a unique id.

    Raises:
        OrderError: a field is not valid.
    """
    if end <= start:
        raise OrderError("until", "makes it end before it starts")
    if end - start > LONGEST_SILENCE:
        raise OrderError("until", f"makes it last more than {LONGEST_SILENCE.days} days")
    names = None if targets is None else frozenset(targets)
    if names is not None and not 0 < len(names) <= MAX_TARGETS:
        raise OrderError("targets", f"needs 1 to {MAX_TARGETS} names; use a group for more")
    return Silence(make_id(), start, end, _why(why, needed=True), _by(by), names, group)


def new_ack(
    target: str, *, at: datetime, why: str = "", by: str = "", make_id: Callable[[], uuid.UUID] = uuid.uuid4
) -> Ack:
    """Return a new ack of a target's open incident.

    Args:
        target: its name.
        at: the moment, with a time zone.
        why, by: the reason and the author; both may be empty.
        make_id: returns a unique id.

    Raises:
        OrderError: a field is not valid.
    """
    return Ack(make_id(), target, at, _why(why, needed=False), _by(by))


def ended(silence: Silence, at: datetime) -> Silence:
    """Return the silence with its end at a moment; unchanged if it has ended before."""
    return replace(silence, end=max(min(silence.end, at), silence.start))


def joined(one: Silence, other: Silence) -> Silence:
    """Return the version of a silence that ends sooner, in whatever order they came: an end is final."""
    return one if one.end <= other.end else other


def given_name(order: Order, renamed: Mapping[str, str]) -> Order:
    """Return an order with the new names of its targets; the same object if it names none of them.

    A silence stays in force for the former name too: other daemons may watch it for a while.

    Args:
        order: any order.
        renamed: new names, by former ones.
    """
    if isinstance(order, Ack):
        return replace(order, target=renamed[order.target]) if order.target in renamed else order
    new = frozenset(renamed[name] for name in order.targets or () if name in renamed)
    return order if order.targets is None or new <= order.targets else replace(order, targets=order.targets | new)


def silence_as_json(silence: Silence) -> dict[str, Any]:
    """Return a silence as the JSON object of the commands and the API."""
    return {
        "id": str(silence.id),
        "start": timestamp(silence.start),
        "end": timestamp(silence.end),
        "why": silence.why,
        "by": silence.by,
        "targets": None if silence.targets is None else sorted(silence.targets),
        "group": silence.group,
    }


def ack_as_json(ack: Ack) -> dict[str, Any]:
    """Return an ack as the JSON object of the API."""
    return {"id": str(ack.id), "target": ack.target, "at": timestamp(ack.at), "why": ack.why, "by": ack.by}


def covered_words(silence: Silence, most: int = 3) -> str:
    """Return what a silence covers: `Checkout, Search and 3 more`, `the group shop` or `all targets`.

    Args:
        silence: any silence.
        most: the largest number of names.
    """
    if silence.targets is None:
        return "all targets" if silence.group is None else f"the group {silence.group}"
    names = sorted(silence.targets)
    named = ", ".join(names[:most])
    return named if len(names) <= most else f"{named} and {len(names) - most} more"


def _why(text: str, *, needed: bool) -> str:
    if needed and not text.strip():
        raise OrderError("why", "is empty; write a reason for those who get no messages")
    if len(text) > MAX_WHY_CHARS:
        raise OrderError("why", f"is longer than {MAX_WHY_CHARS} characters")
    return one_line(text.strip(), 2 * MAX_WHY_CHARS)


def _by(text: str) -> str:
    if len(text) > MAX_BY_CHARS:
        raise OrderError("by", f"is longer than {MAX_BY_CHARS} characters")
    return one_line(text.strip(), 2 * MAX_BY_CHARS)
