"""Places flips of a replica that lost their target meanwhile into the chain of that target. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from watcher.model.state import Flip, state_named

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

_MOMENT = timedelta(microseconds=1)
# A replica that takes a target over checks it at once or at its next slot: a state that starts so soon is not new.
FOUND_LIKE_THAT = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Link:
    """The part of a flip that matters in the chain of its target.

    Attributes:
        id: of the flip.
        at: when its state started.
        state, before: both states, as words.
    """

    id: uuid.UUID
    at: datetime
    state: str
    before: str


@dataclass(frozen=True, slots=True)
class Splice:
    """The changes of a chain by late flips.

    Attributes:
        insert: flips to add.
        before: new values of `before`, by the id of an existing flip.
        drop: the flip that closed the late ones, if others do that now.
    """

    insert: tuple[Link, ...] = ()
    before: Mapping[uuid.UUID, str] = field(default_factory=dict)
    drop: frozenset[uuid.UUID] = frozenset()


def splice(target: str, location: str, history: Sequence[Link], late: Iterable[Link], until: datetime) -> Splice:
    """Insert late flips into a chain so that no two neighbours have the same state.

    A flip that repeats its neighbour is left out, since the other replica has seen it too. So is the last one, if the
    other replica found the same state just after it took over. If the last one differs from the chain at `until`, a
    flip at that moment returns to the chain's state.

    Args:
        target, location: of the chain.
        history: the chain, oldest first, from the flip before the first late one on.
        late: the flips; duplicates of the chain are harmless.
        until: when another replica took the target over: from then on only its flips count.
    """
    known = {link.id for link in history}
    left = sorted((link for link in late if link.at < until and link.id not in known), key=lambda link: link.at)
    stood = next((link.state for link in reversed(history) if link.at <= until), None)
    closing = None if stood is None else _closing(target, location, until, stood)
    places: list[Link] = [link for link in history if closing is None or link.id != closing.id]
    if closing is not None:
        places.insert(sum(link.at <= until for link in places), closing)
    insert, before, drop = list[Link](), dict["uuid.UUID", str](), set["uuid.UUID"]()
    last: Link | None = None
    for number, place in enumerate(places):
        coming = [link for link in left if link.at < place.at]
        left = left[len(coming) :]
        chain = _chain(last, coming, place.at)
        if place is not closing:
            if chain and chain[-1].state == place.state:
                chain.pop()
            if chain and place.before != chain[-1].state:
                before[place.id] = chain[-1].state
            last = place
        else:
            following = places[number + 1] if number + 1 < len(places) else None
            if following is not None and following.at - until <= FOUND_LIKE_THAT:
                _leave_out_what_was_found(chain, last, place, following)
            end = chain[-1] if chain else last
            if end is not None and end.state != place.state:
                end = replace(place, before=end.state)
                chain.append(end)
            elif place.id in known:
                drop.add(place.id)
            last = end
        insert += chain
    insert += _chain(last, left, until)
    there = {link.id: link.before for link in history}
    before |= {link.id: link.before for link in insert if link.id in there and there[link.id] != link.before}
    return Splice(tuple(link for link in insert if link.id not in there), before, frozenset(drop))


def _chain(last: Link | None, coming: Iterable[Link], end: datetime) -> list[Link]:
    """Return the flips between two places of the chain that change the state."""
    chain: list[Link] = []
    for link in coming:
        former = chain[-1] if chain else last
        if former is None:
            chain.append(link)
        elif link.state != former.state and (at := max(link.at, former.at + _MOMENT)) < end:
            chain.append(replace(link, at=at, before=former.state))
    return chain


def _leave_out_what_was_found(chain: list[Link], last: Link | None, closing: Link, following: Link) -> None:
    """Remove the last flip if the other replica found the same state just after it took over."""
    former = chain[-2] if len(chain) > 1 else last
    if chain and chain[-1].state == following.state and former is not None and former.state == closing.state:
        chain.pop()


def _closing(target: str, location: str, until: datetime, stood: str) -> Link:
    """Return the flip back to the other replica's state; its id is the same each time."""
    state = state_named(stood)
    return Link(Flip(target, location, until, until, state, state).flip_id, until, stood, stood)
