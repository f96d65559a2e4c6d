"""Who should share the targets of a location, and what that means for one of them; pure."""

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

# A lease that would last for longer was given by a clock that has been set back since.
LONGEST_LEASE_SECONDS = 60.0
# The hash of a channel is not that of a target with its name.
_CHANNEL = "channel\0"


@dataclass(frozen=True, slots=True)
class Share:
    """What one replica does of what a location has to do.

    Attributes:
        epoch: of the agreement that it follows from; 0 where there was nobody to agree with.
        me: this replica.
        agreed: all replicas that are agreed on.
        peers: those with the configuration by which this one is agreed on, this one included; they share its targets.
            Empty while it is not agreed on.
        dispatchers: those with the configuration that most have.
        fingerprints: of the configurations that they are agreed on with, by replica; empty where nobody knows.
    """

    epoch: int
    me: uuid.UUID
    agreed: frozenset[uuid.UUID]
    peers: frozenset[uuid.UUID]
    dispatchers: frozenset[uuid.UUID]
    fingerprints: tuple[tuple[uuid.UUID, str], ...] = ()

    def holds(self, name: str) -> bool:
        """Whether a target is checked by this replica.

        Args:
            name: of the target.
        """
        return Assignment.among(self.peers).owner_of(name) == self.me

    def dispatches(self, channel: str) -> bool:
        """Whether this replica tells a channel what has happened.

        Those do who have it in their configuration; where these differ, those with the one that most of them have.

        Args:
            channel: its name.
        """
        telling = [(replica, text) for replica, text in self.fingerprints if may_tell(text, channel)]
        most = _most_common(text for _, text in telling)
        dispatchers = {replica for replica, text in telling if text == most} if self.fingerprints else self.dispatchers
        return Assignment.among(dispatchers).owner_of(_CHANNEL + channel) == self.me

    def telling(self, channel: str) -> frozenset[uuid.UUID]:
        """Return the replicas that are agreed on and have a channel in their configurations.

        Args:
            channel: its name.
        """
        if not self.fingerprints:
            return self.agreed
        return frozenset(replica for replica, text in self.fingerprints if may_tell(text, channel))

    @property
    def is_mixed(self) -> bool:
        """Whether replicas are agreed on that work by different configurations."""
        return len({text for _, text in self.fingerprints}) > 1

    @property
    def is_alone(self) -> bool:
        """Whether no other replica is agreed on."""
        return self.agreed == {self.me}


def alone(me: uuid.UUID, epoch: int = 0) -> Share:
    """Return the share of a replica that does everything: it is the only one, or cannot ask whether it is.

    Args:
        me: the replica.
        epoch: of the agreement, where there is one.
    """
    only = frozenset({me})
    return Share(epoch, me, only, only, only)


def share_of(agreement: Agreement, me: Seat, fallback: Share | None = None) -> Share:
    """Return what a replica does by an agreement.

    What counts is the configuration that it is agreed on with, also while it has announced another one: what has not
    changed stays where it is until that has settled.

    Args:
        agreement: the newest that is known.
        me: the replica.
        fallback: what it does while it is not agreed on; without it, nothing.
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
    """Return what a replica does after a beat that was not answered.

    It goes on with what it has. A replica that has nothing, since the others had not agreed on it yet, cannot know
    whether they are there. Once its lease is over it does everything, like one that was never answered.

    Args:
        share: what it has done until now.
        is_held: whether its lease lasts.
    """
    return share if share.me in share.agreed or is_held else alone(share.me)


def _most_common(fingerprints: Iterable[str]) -> str:
    """Return what most have, the smallest text of those that as many have; an empty one of none."""
    counts = Counter(fingerprints)
    return min(counts, key=lambda text: (-counts[text], text), default="")


def _with(agreement: Agreement, fingerprint: str) -> list[uuid.UUID]:
    return [seat.replica for seat in agreement.seats if seat.fingerprint == fingerprint]


def proposal(agreement: Agreement, members: Iterable[Member], me: Seat, settle_seconds: float) -> Agreement | None:
    """Return what should be agreed on instead.

    Everybody proposes at each beat, and a compare-and-swap by the epoch decides. Four rules keep what is agreed on
    still:

    - A replica that is new, came back after its lease, or has another configuration waits until it has settled; one
      that is agreed on keeps its old seat meanwhile.
    - Where more than one is about to settle, they are waited for, for `settle_seconds` more, and sit down at once.
    - Who has only just come, or come back, throws nobody out: the others may be on their way back as well, from an
      outage of the database. It takes twice `settle_seconds`.
    - Where nobody is agreed on, the first sits down at once: a daemon alone must not wait.

    Args:
        agreement: as it is.
        members: all that the database knows, read in one statement with the agreement.
        me: who asks.
        settle_seconds: the time between two beats.

    Returns:
        The agreement of the next epoch, which has `me` in it; None where there is nothing to change, or not yet.
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
            continue  # as agreed, or about to leave
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
    """Whether a member has been there for long enough; one from the future has, since the clock has been set back."""
    return not 0 <= member.settled_seconds < seconds
