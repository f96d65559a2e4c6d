"""Decides which replicas share the targets of a location, and what each of them does. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.cluster.assignment import Assignment
from watcher.cluster.fingerprint import may_tell
from watcher.cluster.values import Agreement, Seat

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable

    from watcher.cluster.values import Member

# A longer lease was given by a clock that was set back since.
LONGEST_LEASE_SECONDS = 60.0
# Makes the hash of a channel differ from that of a target with the same name.
_CHANNEL = "channel\0"


@dataclass(frozen=True, slots=True)
class Share:
    """The work of one replica at its location.

    Attributes:
        epoch: of the agreement; 0 without one.
        me: this replica.
        agreed: all replicas in the agreement.
        peers: those that share this replica's targets: they have a seat with its agreed configuration. Includes itself.
            Empty while it has no seat.
        dispatchers: those with the most common configuration.
        fingerprints: of the agreed configurations, by replica; empty if unknown.
    """

    epoch: int
    me: uuid.UUID
    agreed: frozenset[uuid.UUID]
    peers: frozenset[uuid.UUID]
    dispatchers: frozenset[uuid.UUID]
    fingerprints: tuple[tuple[uuid.UUID, str], ...] = ()

    def holds(self, name: str) -> bool:
        """Return whether this replica checks a target.

        Args:
            name: of the target.
        """
        return Assignment.among(self.peers).owner_of(name) == self.me

    def dispatches(self, channel: str) -> bool:
        """Return whether this replica dispatches a channel.

        One of those with the channel in their configuration does; if these differ, one with the most common of them.

        Args:
            channel: its name.
        """
        telling = [(replica, text) for replica, text in self.fingerprints if may_tell(text, channel)]
        most = _most_common(text for _, text in telling)
        dispatchers = {replica for replica, text in telling if text == most} if self.fingerprints else self.dispatchers
        return Assignment.among(dispatchers).owner_of(_CHANNEL + channel) == self.me

    def telling(self, channel: str) -> frozenset[uuid.UUID]:
        """Return the agreed replicas with a channel in their configurations.

        Args:
            channel: its name.
        """
        if not self.fingerprints:
            return self.agreed
        return frozenset(replica for replica, text in self.fingerprints if may_tell(text, channel))

    @property
    def is_mixed(self) -> bool:
        """Whether the agreed replicas have different configurations."""
        return len({text for _, text in self.fingerprints}) > 1

    @property
    def is_alone(self) -> bool:
        """Whether the agreement has no other replica."""
        return self.agreed == {self.me}


def alone(me: uuid.UUID, epoch: int = 0) -> Share:
    """Return the share of a replica that does everything: it is the only one, or cannot find out.

    Args:
        me: the replica.
        epoch: of the agreement, if there is one.
    """
    only = frozenset({me})
    return Share(epoch, me, only, only, only)


def share_of(agreement: Agreement, me: Seat, fallback: Share | None = None) -> Share:
    """Return the work of a replica by an agreement.

    Its agreed configuration counts, even after it has announced another one: unchanged targets stay where they are
    until that has settled.

    Args:
        agreement: the newest one known.
        me: the replica.
        fallback: its work while it has no seat; nothing by default.
    """
    mine = next((seat for seat in agreement.seats if seat.replica == me.replica), None)
    if mine is None and fallback is not None:
        return fallback
    peers = () if mine is None else _with(agreement, mine.fingerprint)
    most = _most_common(seat.fingerprint for seat in agreement.seats)
    return Share(
        agreement.epoch,
        me.replica,
        agreed=frozenset(seat.replica for seat in agreement.seats),
        peers=frozenset(peers),
        dispatchers=frozenset(_with(agreement, most)),
        fingerprints=tuple((seat.replica, seat.fingerprint) for seat in agreement.seats),
    )


def cut_off(share: Share, is_held: bool) -> Share:
    """Return the work of a replica after a beat without an answer.

    It goes on with its share. A replica without any, which the others had not agreed on yet, cannot know whether they
    exist. Once its lease has ended, it does everything, like one that never got an answer.

    Args:
        share: its work until now.
        is_held: whether its lease lasts.
    """
    return share if share.me in share.agreed or is_held else alone(share.me)


def _most_common(fingerprints: Iterable[str]) -> str:
    """Return the most common fingerprint, of several the smallest; an empty one for none."""
    counts = Counter(fingerprints)
    return min(counts, key=lambda text: (-counts[text], text), default="")


def _with(agreement: Agreement, fingerprint: str) -> list[uuid.UUID]:
    return [seat.replica for seat in agreement.seats if seat.fingerprint == fingerprint]


def proposal(agreement: Agreement, members: Iterable[Member], me: Seat, settle_seconds: float) -> Agreement | None:
    """Return the agreement to propose.

    Each replica proposes at each beat, and a compare-and-swap by the epoch decides. Four rules keep the agreement
    stable:

    - A replica that is new, came back after its lease, or has another configuration waits until it has settled; with a
      seat in the agreement, it keeps that meanwhile.
    - If more than one is about to settle, they wait for each other, at most `settle_seconds` more, and join together.
    - A replica that has only just come, or come back, removes no other: those may be on their way back as well, from an
      outage of the database. It takes twice `settle_seconds`.
    - Without any agreed replica the first gets a seat at once: a single daemon must not wait.

    Args:
        agreement: the present one.
        members: all in the database, read in one statement with the agreement.
        me: the proposing replica.
        settle_seconds: the time between two beats.

    Returns:
        The agreement of the next epoch, with a seat for `me`; None if nothing is to change now.
    """
    living = {member.seat.replica: member for member in members if _is_living(member)}
    mine = living.get(me.replica)
    if mine is None or mine.seat.incarnation != me.incarnation:
        return None
    agreed = {seat.replica: seat for seat in agreement.seats}
    if not agreed:
        present = (replica for replica, member in living.items() if member.seat.fingerprint)
        settled = {replica for replica in present if _has_settled(living[replica], settle_seconds)}
        return _next(agreement, [living[replica].seat for replica in settled | {me.replica}])
    if not _has_settled(mine, settle_seconds):
        return None
    dead = agreed.keys() - living.keys()
    may_throw_out = _has_settled(mine, 2 * settle_seconds)
    ready, waiting = [], False
    for replica, member in living.items():
        if member.seat == agreed.get(replica) or not member.seat.fingerprint:
            continue  # already agreed, or about to leave
        if _has_settled(member, settle_seconds):
            ready.append(member)
        else:
            waiting = True
    is_overdue = any(_has_settled(member, 2 * settle_seconds) for member in ready)
    if waiting and not is_overdue and not (dead and may_throw_out):
        ready = []
    seats = {replica: seat for replica, seat in agreed.items() if replica not in dead or not may_throw_out}
    seats |= {member.seat.replica: member.seat for member in ready}
    return _next(agreement, seats.values()) if me.replica in seats else None


def _next(agreement: Agreement, seats: Iterable[Seat]) -> Agreement | None:
    ordered = tuple(sorted(seats, key=lambda seat: seat.replica))
    return None if ordered == agreement.seats else Agreement(agreement.epoch + 1, ordered)


def _is_living(member: Member) -> bool:
    return 0 < member.lease_seconds <= LONGEST_LEASE_SECONDS


def _has_settled(member: Member, seconds: float) -> bool:
    """Return whether a member has settled; one with a start in the future has, since the clock was set back."""
    return not 0 <= member.settled_seconds < seconds
