"""What operators order: silences and acks, with the bounds of what they may say; pure."""

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
# The bound of what holds at once: whatever happens to a target is compared with each silence.
MAX_SILENCES = 300
LONGEST_SILENCE = timedelta(days=366)

# So many characters of an id are shown to people; any that are unique may be given back.
SHOWN_ID_CHARS = 8


class OrderError(ValueError):
    """An order that cannot be given.

    Attributes:
        field: of the order, as the API and the options of the commands call it.
    """

    def __init__(self, field: str, words: str) -> None:
        """Take what is wrong with a field: what follows its name in a sentence."""
        super().__init__(words)
        self.field = field


class TooManyError(Exception):
    """More silences or acks hold than are kept; the message is a sentence for the operator."""


def too_many_silences() -> TooManyError:
    """Return what is said of one silence too many."""
    return TooManyError(f"{MAX_SILENCES} silences hold already; end some of them, or silence a group")


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
    """Make a silence.

    Args:
        start, end: moments with a time zone.
        why, by: of whoever wants it; `by` may be empty.
        targets: names; None for all, or all of a group.
        group: None for all, or for the targets.
        make_id: returns an id that nothing else has.

    Raises:
        OrderError: it is not one.
    """
    if end <= start:
        raise OrderError("until", "lets it end before it begins")
    if end - start > LONGEST_SILENCE:
        raise OrderError("until", f"lets it last for more than {LONGEST_SILENCE.days} days")
    names = None if targets is None else frozenset(targets)
    if names is not None and not 0 < len(names) <= MAX_TARGETS:
        raise OrderError("targets", f"has no names, or more than {MAX_TARGETS}; a group may be named instead")
    return Silence(make_id(), start, end, _why(why, needed=True), _by(by), names, group)


def new_ack(
    target: str, *, at: datetime, why: str = "", by: str = "", make_id: Callable[[], uuid.UUID] = uuid.uuid4
) -> Ack:
    """Make an ack of what is open at a target.

    Args:
        target: its name.
        at: the moment, with a time zone.
        why, by: of whoever says so; both may be empty.
        make_id: returns an id that nothing else has.

    Raises:
        OrderError: it is not one.
    """
    return Ack(make_id(), target, at, _why(why, needed=False), _by(by))


def ended(silence: Silence, at: datetime) -> Silence:
    """Return the silence as it ends at a moment, or as it is where it has ended before."""
    return replace(silence, end=max(min(silence.end, at), silence.start))


def joined(one: Silence, other: Silence) -> Silence:
    """Return the one of two versions of a silence that ends sooner, in whatever order they came: to end it is final."""
    return one if one.end <= other.end else other


def given_name(order: Order, renamed: Mapping[str, str]) -> Order:
    """Return an order as it is after targets were given other names; the very same where it names none of them.

    A silence holds for the former name too: other daemons may watch it for a while.

    Args:
        order: any.
        renamed: new names, by the former ones.
    """
    if isinstance(order, Ack):
        return replace(order, target=renamed[order.target]) if order.target in renamed else order
    new = frozenset(renamed[name] for name in order.targets or () if name in renamed)
    return order if order.targets is None or new <= order.targets else replace(order, targets=order.targets | new)


def silence_as_json(silence: Silence) -> dict[str, Any]:
    """Return the JSON object of a silence, as commands and the API show it."""
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
    """Return the JSON object of an ack, as the API shows it."""
    return {"id": str(ack.id), "target": ack.target, "at": timestamp(ack.at), "why": ack.why, "by": ack.by}


def covered_words(silence: Silence, most: int = 3) -> str:
    """Say what a silence holds for, as in `Checkout, Search and 3 more`, `the group shop` or `all targets`.

    Args:
        silence: any.
        most: so many targets are named.
    """
    if silence.targets is None:
        return "all targets" if silence.group is None else f"the group {silence.group}"
    names = sorted(silence.targets)
    named = ", ".join(names[:most])
    return named if len(names) <= most else f"{named} and {len(names) - most} more"


def _why(text: str, *, needed: bool) -> str:
    if needed and not text.strip():
        raise OrderError("why", "is empty; say why, for those who miss the messages")
    if len(text) > MAX_WHY_CHARS:
        raise OrderError("why", f"is longer than {MAX_WHY_CHARS} characters")
    return one_line(text.strip(), 2 * MAX_WHY_CHARS)


def _by(text: str) -> str:
    if len(text) > MAX_BY_CHARS:
        raise OrderError("by", f"is longer than {MAX_BY_CHARS} characters")
    return one_line(text.strip(), 2 * MAX_BY_CHARS)
