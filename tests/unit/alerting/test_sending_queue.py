"""Which message is tried next: in order within an incident, past failing messages of others, and with patience."""

from __future__ import annotations

import random
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from watcher.alerting.messages import Waiting
from watcher.alerting.sending_queue import (
    FAILING_TRIES,
    MAX_ASKED_SECONDS,
    MAX_BACKOFF_SECONDS,
    MAX_PAUSE_SECONDS,
    SendingQueue,
)
from watcher.model.alerts.notification import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

HOUR = 3600.0
DAY = 24 * HOUR


def a_message(number: int, members: Iterable[str] = (), created_at: float = 0.0) -> Waiting:
    return Waiting(number, uuid.UUID(int=number), "ops", Kind.DOWN, created_at, frozenset(members))


def a_queue(*messages: Waiting) -> SendingQueue:
    queue = SendingQueue(random.Random(1))
    queue.add(messages, 0.0, 0.0)
    return queue


def next_number(queue: SendingQueue, now: float) -> int | None:
    found = queue.next(now)
    return None if found is None else found.number


def test_a_message_overtakes_those_of_other_incidents_that_fail_and_none_of_its_own() -> None:
    first, same, other = a_message(1, {"a", "b"}), a_message(2, {"b"}), a_message(3, {"c"})
    queue = a_queue(first, same, other)
    assert next_number(queue, 0) == 1
    due = queue.failed(first, 0, None)
    assert next_number(queue, 0) == 3, "the second tells of what the first has not told yet"
    queue.succeeded(other)
    assert next_number(queue, 0) is None
    assert queue.due_at() == due
    assert next_number(queue, due) == 1
    queue.succeeded(first)
    assert next_number(queue, due) == 2


def test_backoff_doubles_up_to_its_longest_and_has_jitter() -> None:
    queue, now, message = a_queue(a_message(1)), 0.0, a_message(1)
    waits = []
    for _ in range(15):
        due = queue.failed(message, now, None)
        waits.append(due - now)
        assert queue.next(due - 0.001) is None
        now = max(due, queue.due_at() or 0)
        found = queue.next(now)
        assert found is not None
        message = found
    assert all(2.0**tries / 2 <= wait <= 2.0**tries for tries, wait in enumerate(waits[:9]))
    assert all(MAX_BACKOFF_SECONDS / 2 <= wait <= MAX_BACKOFF_SECONDS for wait in waits[9:])
    assert len(set(waits)) == len(waits)


@pytest.mark.parametrize("after_seconds", [7.0, HOUR])
def test_a_receiver_that_wants_nothing_for_a_while_is_left_alone(after_seconds: float) -> None:
    first = a_message(1, {"a"})
    queue = a_queue(first, a_message(2, {"b"}))
    assert queue.failed(first, 100, after_seconds) >= 100 + after_seconds
    assert queue.next(100 + after_seconds - 0.001) is None
    assert queue.due_at() == 100 + after_seconds
    assert next_number(queue, 100 + after_seconds) is not None


def test_a_receiver_that_is_away_is_tried_with_one_message_at_a_time_and_all_follow_when_it_is_back() -> None:
    messages = [a_message(number, {f"{number}"}) for number in range(1, 101)]
    queue, now, tries = a_queue(*messages), 0.0, 0
    while now < HOUR:
        found = queue.next(now)
        if found is None:
            now = queue.due_at() or HOUR
            continue
        queue.failed(found, now, None)
        tries += 1
    assert tries < 2 * HOUR / MAX_PAUSE_SECONDS + FAILING_TRIES + 10, "tried again and again"
    found = queue.next(now := queue.due_at() or 0.0)
    assert found is not None
    queue.succeeded(found)
    left = []
    while (found := queue.next(now)) is not None:
        queue.succeeded(found)
        left.append(found.number)
    assert len(left) == 99
    assert left == sorted(left)


def test_messages_that_waited_too_long_are_given_up_only_while_tries_fail() -> None:
    old, new = a_message(1, created_at=0), a_message(2, created_at=HOUR)
    queue = SendingQueue()
    queue.add([old, new], HOUR, HOUR)
    assert queue.too_old(HOUR / 2) == [], "nobody has tried: the daemon was not running"
    queue.failed(old, HOUR, None)
    assert [one.number for one in queue.too_old(HOUR / 2)] == [1]


def test_messages_dated_in_the_future_are_due_now_and_given_up_in_time() -> None:
    ahead = replace(a_message(1, created_at=30 * DAY), tries=4, next_try_at=30 * DAY + 10)
    soon = replace(a_message(2), next_try_at=1000 + 10)
    queue = SendingQueue()
    queue.add([ahead, soon], 7.0, 1000)
    assert next_number(queue, 7) == 1
    queue.drop(ahead)
    assert queue.due_at() == 17
    queue.add([ahead], 7.0, 1000)
    queue.failed(ahead, 8, None)
    assert ahead.number not in [one.number for one in queue.too_old(7)]
    assert ahead.number in [one.number for one in queue.too_old(7.1)], "its age counts from when it was read"


def test_a_receiver_that_wants_nothing_for_ages_is_tried_hourly_and_once_more_before_a_message_is_given_up() -> None:
    first = a_message(1, {"a"})
    queue, give_up_after = a_queue(first, a_message(2, {"b"})), 2.5 * MAX_ASKED_SECONDS
    now, tried_at = 0.0, list[float]()
    while (found := queue.next(now)) is not None and found.number == 1:
        tried_at.append(now / MAX_ASKED_SECONDS)
        if queue.failed(found, now, 1e9, give_up_after) <= now:
            break
        assert queue.too_old(now - give_up_after) == []
        now = queue.due_at() or 0.0
    assert tried_at == [0, 1, 2, 2.5]
    queue.drop(first)
    assert queue.due_at() == now + MAX_ASKED_SECONDS
