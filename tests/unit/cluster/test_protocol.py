"""Which replicas get and lose seats, as a table; and what an agreement means for one replica."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from watcher.cluster.fingerprint import fingerprint_of
from watcher.cluster.protocol import Share, alone, proposal, share_of
from watcher.cluster.values import Agreement, Member, Seat
from watcher.model.alerts.channel import Channel, WebhookReceiver
from watcher.model.alerts.options import AlertingOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

BEAT = 2.0
A, B, C, D = (UUID(int=number) for number in range(1, 5))


def seat(replica: UUID, fingerprint: str = "new", start: int = 1) -> Seat:
    return Seat(replica, UUID(int=replica.int * 100 + start), fingerprint)


def member(sitting: Seat, settled: float = 60.0, lease: float = 5.0) -> Member:
    return Member(sitting, settled, lease)


def agreed(*seats: Seat, epoch: int = 7) -> Agreement:
    return Agreement(epoch, seats)


ALL = agreed(seat(A), seat(B), seat(C))
NOBODY = agreed(epoch=0)


@pytest.mark.parametrize(
    ("agreement", "members", "seats"),
    [
        # Nothing to do.
        (ALL, [member(seat(A)), member(seat(B)), member(seat(C))], None),
        (agreed(seat(A)), [member(seat(A), settled=0)], None),
        # The first of a location does not wait, but a replica that has not settled is not included.
        (NOBODY, [member(seat(A), settled=0)], [seat(A)]),
        (NOBODY, [member(seat(A), settled=0), member(seat(B), settled=1)], [seat(A)]),
        (NOBODY, [member(seat(A), settled=0), member(seat(B), settled=2)], [seat(A), seat(B)]),
        # A joiner settles; with its own beat it proposes itself.
        (agreed(seat(B)), [member(seat(A), settled=1.9), member(seat(B))], None),
        (agreed(seat(B)), [member(seat(A), settled=2), member(seat(B))], [seat(A), seat(B)]),
        # Replicas that settle soon are waited for, but not forever; nor does the one that came last of all propose.
        (agreed(seat(A)), [member(seat(A)), member(seat(B), settled=3.9), member(seat(C), settled=1)], None),
        (
            agreed(seat(A)),
            [member(seat(A)), member(seat(B), settled=4), member(seat(C), settled=2), member(seat(D), settled=1)],
            [seat(A), seat(B), seat(C)],
        ),
        # A replica without a lease loses its seat at once, and whichever has settled takes a seat then.
        (ALL, [member(seat(A)), member(seat(B)), member(seat(C), lease=-0.1)], [seat(A), seat(B)]),
        (ALL, [member(seat(A)), member(seat(B))], [seat(A), seat(B)]),
        (
            agreed(seat(A), seat(B)),
            [member(seat(A)), member(seat(B), lease=0), member(seat(C), settled=2), member(seat(D), settled=1)],
            [seat(A), seat(C)],
        ),
        # After an outage of the database, the first to return does not remove the others before they can return.
        (ALL, [member(seat(A), settled=0), member(seat(B), lease=-300), member(seat(C), lease=-300)], None),
        (ALL, [member(seat(A), settled=3.9), member(seat(B), lease=-300), member(seat(C), lease=-300)], None),
        (ALL, [member(seat(A), settled=4), member(seat(B), lease=-300), member(seat(C), lease=-300)], [seat(A)]),
        # Nor does a new replica, which takes a seat beside them first.
        (agreed(seat(B)), [member(seat(A), settled=2), member(seat(B), lease=-9)], [seat(A), seat(B)]),
        (agreed(seat(B)), [member(seat(A), settled=4), member(seat(B), lease=-9)], [seat(A)]),
        # Another configuration, or another start, keeps the old seat until it has settled.
        (ALL, [member(seat(A)), member(seat(B, "newer"), settled=1), member(seat(C))], None),
        (
            ALL,
            [member(seat(A)), member(seat(B, "newer"), settled=2), member(seat(C))],
            [seat(A), seat(B, "newer"), seat(C)],
        ),
        (ALL, [member(seat(A)), member(seat(B)), member(seat(C, start=2), settled=0)], None),
        (
            ALL,
            [member(seat(A)), member(seat(B)), member(seat(C, start=2), settled=3)],
            [seat(A), seat(B), seat(C, start=2)],
        ),
        # A replica that announced another one and has returned to the old one keeps its seat.
        (ALL, [member(seat(A)), member(seat(B), settled=0), member(seat(C))], None),
        # A replica that left is not taken back while its lease lasts, nor waited for.
        (agreed(seat(A), seat(B)), [member(seat(A)), member(seat(B)), member(seat(C, ""), settled=1)], None),
        (
            agreed(seat(A)),
            [member(seat(A)), member(seat(B), settled=2), member(seat(C, ""), settled=1)],
            [seat(A), seat(B)],
        ),
        (NOBODY, [member(seat(A), settled=0), member(seat(C, ""))], [seat(A)]),
        # A replica that is absent, or was restarted meanwhile, is ignored.
        (ALL, [member(seat(B)), member(seat(C))], None),
        (ALL, [member(seat(A, start=2)), member(seat(B))], None),
        (ALL, [member(seat(A), lease=0), member(seat(B))], None),
        # The server's clock was set back: an hour's lease does not count, and a start in the future counts as settled.
        (ALL, [member(seat(A)), member(seat(B), settled=-3600), member(seat(C), lease=3606)], [seat(A), seat(B)]),
        (agreed(seat(B)), [member(seat(A), settled=-3600), member(seat(B))], [seat(A), seat(B)]),
    ],
)
def test_who_should_be_agreed_on(agreement: Agreement, members: list[Member], seats: list[Seat] | None) -> None:
    expected = None if seats is None else Agreement(agreement.epoch + 1, tuple(seats))
    assert proposal(agreement, members, seat(A), BEAT) == expected
    assert proposal(agreement, list(reversed(members)), seat(A), BEAT) == expected


def test_targets_are_shared_by_who_has_the_same_configuration() -> None:
    names = [f"https://example.org/{number}" for number in range(300)]
    agreement = agreed(seat(A, "old"), seat(B, "old"), seat(C, "newer"))
    shares = {sitting.replica: share_of(agreement, sitting) for sitting in agreement.seats}
    held = {replica: {name for name in names if share.holds(name)} for replica, share in shares.items()}
    assert held[A] | held[B] == held[C] == set(names)
    assert held[A]
    assert held[B]
    assert not held[A] & held[B]
    told = {replica: {name for name in names if share.dispatches(name)} for replica, share in shares.items()}
    assert told[A] | told[B] == set(names)
    assert not told[C]
    assert not told[A] & told[B]
    assert told[A] != held[A]


@pytest.mark.parametrize(
    ("channels", "tellers"),
    [
        (("", "", "ops"), {"ops": "C"}),
        (("ops", "ops", ""), {"ops": "AB"}),
        (("ops", "ops", "pager"), {"ops": "AB", "pager": "C"}),
        (("ops", "ops", "ops pager"), {"ops": "AB", "pager": "C"}),
        (("", "", ""), {"ops": ""}),
    ],
)
def test_each_channel_is_dispatched_by_a_replica_that_has_it(
    channels: tuple[str, ...], tellers: dict[str, str]
) -> None:
    replicas = {"A": A, "B": B, "C": C}
    texts = [fingerprint_of((), _alerting(names.split())) for names in channels]
    agreement = agreed(*(seat(replica, text) for replica, text in zip(replicas.values(), texts, strict=True)))
    for channel, expected in tellers.items():
        shares = {name: share_of(agreement, seat(replica)) for name, replica in replicas.items()}
        found = [name for name, share in shares.items() if share.dispatches(channel)]
        assert len(found) == min(len(expected), 1)
        assert set(found) <= set(expected)


def _alerting(channels: Sequence[str]) -> AlertingOptions:
    receiver = WebhookReceiver("http://hook.example/")
    return AlertingOptions(channels=tuple(Channel(name, receiver) for name in channels))


def test_an_announced_configuration_changes_nothing_before_it_has_settled() -> None:
    assert share_of(ALL, seat(A, "newer")) == share_of(ALL, seat(A))


def test_a_tie_of_configurations_is_decided_alike_by_all() -> None:
    agreement = agreed(seat(A, "z"), seat(B, "y"))
    assert {share_of(agreement, sitting).dispatchers for sitting in agreement.seats} == {frozenset({B})}


def test_a_replica_outside_the_agreement_does_nothing_or_continues() -> None:
    nothing = share_of(ALL, seat(D))
    fingerprints = tuple((sitting.replica, sitting.fingerprint) for sitting in ALL.seats)
    assert nothing == Share(7, D, frozenset({A, B, C}), frozenset(), frozenset({A, B, C}), fingerprints)
    assert not any(nothing.holds(str(number)) or nothing.dispatches(str(number)) for number in range(50))
    assert share_of(ALL, seat(D), alone(D)) == alone(D)
    assert share_of(ALL, seat(A), alone(A)) == share_of(ALL, seat(A))


def test_a_daemon_alone_does_everything() -> None:
    share = share_of(agreed(seat(A)), seat(A))
    assert share.is_alone
    assert replace(share, fingerprints=()) == alone(A, 7)
    assert share.holds("https://example.org/")
    assert share.dispatches("mail")
    assert not share_of(ALL, seat(A)).is_alone
    assert not share_of(agreed(seat(B)), seat(A)).is_alone
