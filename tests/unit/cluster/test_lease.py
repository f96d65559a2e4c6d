"""The lease by the replica's own clock: it ends before the server's lease, and a freeze is not an excuse."""

from watcher.cluster.lease import Lease


def test_a_lease_counts_from_when_the_beat_was_sent() -> None:
    lease = Lease(6.0)
    assert lease.has_lapsed(0.0)
    assert not lease.is_held(0.0)
    lease = lease.begin(sent_at=100.0)
    assert lease.is_held(105.9)
    assert not lease.has_lapsed(105.9)
    assert not lease.is_held(106.0)
    assert lease.has_lapsed(106.0)


def test_an_answer_that_comes_after_a_newer_one_shortens_nothing() -> None:
    assert Lease(6.0).begin(sent_at=102.0).begin(sent_at=100.0).is_held(107.9)


def test_while_the_database_is_away_checks_go_on_without_a_lease() -> None:
    lease = Lease(6.0).begin(sent_at=100.0)
    for sent_at in range(102, 200, 2):
        lease = lease.failed(sent_at=float(sent_at))
        assert not lease.has_lapsed(sent_at + 2.0)
    assert not lease.is_held(106.0)
    assert lease.begin(sent_at=200.0).is_held(205.0)


def test_a_beat_that_was_sent_before_a_freeze_excuses_nothing_after_it() -> None:
    """It was given up after the thaw; others have taken over meanwhile, so the database must be asked first."""
    frozen = Lease(6.0).begin(sent_at=100.0).failed(sent_at=102.0)
    assert frozen.has_lapsed(160.0)
    asked = frozen.failed(sent_at=160.0)
    assert not asked.has_lapsed(161.5)
