"""The result of a check: its id, its fault, its phases."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles import MOMENT, a_failure, an_outcome
from watcher.model.outcome import Fault, Outcome, Phases, Reason, check_id
from watcher.text.escaping import MAX_DETAIL_CHARS

MILLISECOND = timedelta(milliseconds=1)

names = st.text(st.characters())
moments = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 1, 1), timezones=st.just(UTC))


def milliseconds_in(uuid: UUID) -> int:
    """Read the first 48 bits, which RFC 9562 gives to the time."""
    return uuid.int >> 80


@given(names, names, moments)
def test_an_id_has_the_layout_of_rfc_9562(target: str, location: str, scheduled_at: datetime) -> None:
    uuid = check_id(target, location, scheduled_at)
    assert (uuid.version, uuid.variant) == (8, RFC_4122)
    assert milliseconds_in(uuid) == (scheduled_at - datetime(1970, 1, 1, tzinfo=UTC)) // MILLISECOND


def test_an_id_is_the_same_for_ever() -> None:
    # Fixed for ever: another one here would store the checks of the day of an upgrade twice.
    assert check_id("Checkout", "default", MOMENT) == UUID("01a208fe-f331-8d1a-a2de-8457360984e5")


def test_a_slot_that_is_lived_again_has_an_id_of_its_own_that_sorts_as_the_first() -> None:
    first, *others = ids = [check_id("Checkout", "default", MOMENT, part) for part in (0, 7, 8)]
    assert len(set(ids)) == 3
    assert {milliseconds_in(other) for other in others} == {milliseconds_in(first)}


@given(names, names, moments, st.integers(min_value=-23, max_value=23))
def test_an_id_depends_on_the_moment_and_not_on_its_time_zone(
    target: str, location: str, scheduled_at: datetime, offset_hours: int
) -> None:
    elsewhere = timezone(timedelta(hours=offset_hours))
    moment = min(max(scheduled_at, datetime(1970, 1, 2, tzinfo=UTC)), datetime(9998, 1, 1, tzinfo=UTC))
    assert check_id(target, location, moment) == check_id(target, location, moment.astimezone(elsewhere))


@pytest.mark.parametrize(
    ("target", "location", "scheduled_at"),
    [
        ("Checkout 2", "default", MOMENT),
        ("Checkout", "paris", MOMENT),
        ("Checkout", "default", MOMENT + MILLISECOND),
        ("Checkout", "default", MOMENT + timedelta(microseconds=1)),
        ("Checkoutdefault", "", MOMENT),
        ("", "Checkoutdefault", MOMENT),
    ],
)
def test_another_target_location_or_slot_is_another_id(target: str, location: str, scheduled_at: datetime) -> None:
    assert check_id(target, location, scheduled_at) != check_id("Checkout", "default", MOMENT)


@given(names, names, moments, st.timedeltas(min_value=MILLISECOND, max_value=timedelta(days=300)))
def test_ids_sort_by_time(target: str, other: str, scheduled_at: datetime, later: timedelta) -> None:
    assert check_id(target, "default", scheduled_at) < check_id(other, "default", scheduled_at + later)


def test_the_reasons_are_the_words_of_the_contract_in_its_order() -> None:
    contract = "dns blocked connect tls timeout protocol redirect too_large status header regex json internal local"
    assert list(Reason) == [word for word in contract.split() if word in set(Reason)]


def test_a_detail_is_made_safe() -> None:
    fault = Fault(Reason.STATUS, "503 \r\n\x1b[31mforged\u2028" + "x" * 10_000)
    assert fault.detail.startswith(r"503 \r\n\x1b[31mforged\u2028xxx")
    assert fault.detail.endswith("x…")
    assert len(fault.detail) == MAX_DETAIL_CHARS


@given(st.text(st.characters()))
def test_any_detail_is_one_line_that_can_be_stored(detail: str) -> None:
    safe = Fault(Reason.PROTOCOL, detail).detail
    assert len(safe.splitlines()) <= 1
    assert b"\0" not in safe.encode("utf-8")


def test_an_outcome_is_ok_without_a_fault_only() -> None:
    assert an_outcome().ok
    assert not a_failure().ok
    assert not an_outcome(fault=Fault(Reason.INTERNAL, ""), status_code=200).ok


def test_phases_are_shown_in_milliseconds_to_a_microsecond() -> None:
    phases = Phases(resolve=0.0031, connect=0.0, tls=None, processing=1.23456789, transfer=1e-9)
    assert phases.as_milliseconds() == {
        "resolve": 3.1,
        "connect": 0.0,
        "tls": None,
        "processing": 1234.568,
        "transfer": 0.0,
    }


def test_phases_come_in_their_order_and_none_has_happened_at_first() -> None:
    assert list(Phases().as_milliseconds().items()) == [
        (name, None) for name in ("resolve", "connect", "tls", "processing", "transfer")
    ]


@pytest.mark.parametrize(
    ("value", "field"), [(an_outcome(), "target"), (Fault(Reason.DNS, ""), "detail"), (Phases(), "tls")]
)
def test_values_are_frozen(value: Outcome | Fault | Phases, field: str) -> None:
    with pytest.raises(AttributeError):
        setattr(value, field, None)
