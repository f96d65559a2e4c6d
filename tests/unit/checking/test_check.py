"""One check: retries within the slot, faults of this machine, pauses, and bugs."""

from collections.abc import Iterator, Sequence
from itertools import chain, repeat

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from tests.doubles import EPOCH, a_checker, a_target
from watcher.checking.check import LOCAL_RETRY_SECONDS, check_slot
from watcher.checking.http.exchange import Exchange
from watcher.checking.scheduling.pauses import BEAT_SECONDS, PAUSE_SECONDS, Pauses
from watcher.checking.scheduling.schedule import Slot
from watcher.model.outcome import Fault, Outcome, Phases, Reason
from watcher.model.target import Expectations, Target

REFUSED = Fault(Reason.CONNECT, "cannot connect: Connection refused")
NO_DESCRIPTORS = Fault(Reason.LOCAL, "this machine cannot connect: Too many open files")
TIMED_OUT = Fault(Reason.TIMEOUT, "no answer")


class Script:
    """A probe with prepared exchanges; the last one is repeated."""

    def __init__(self, target: Target, *answers: Fault | int | Exception, seconds: Sequence[float] = ()) -> None:
        self.target = target
        self._answers = chain(answers, repeat(answers[-1]))
        self._seconds: Iterator[float] = chain(seconds, repeat(seconds[-1] if seconds else 0.0))
        self.asked_at: list[float] = []
        self.timeouts: list[float | None] = []

    async def fetch(self, timeout_seconds: float | None = None) -> Exchange:
        self.asked_at.append(trio.current_time())
        self.timeouts.append(timeout_seconds)
        await trio.sleep(next(self._seconds))
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Fault):
            return Exchange(phases=Phases(), fault=answer)
        return Exchange(phases=Phases(), status_code=answer)

    def close(self) -> None:
        pass


async def checked(script: Script, pauses: Pauses | None = None) -> Outcome:
    context = a_checker(lambda _target: script, pauses=pauses)
    return (await check_slot(script, Slot(context.clock.now()), context)).outcome


async def test_a_success_is_asked_for_once() -> None:
    script = Script(a_target(retries=3), 200)
    outcome = await checked(script)
    assert (outcome.ok, outcome.attempts, len(script.asked_at)) == (True, 1, 1)


async def test_retries_end_with_the_first_success(autojump_clock: trio.testing.MockClock) -> None:
    script = Script(a_target(retries=3, retry_interval_seconds=0.25), REFUSED, 503, 200)
    outcome = await checked(script)
    assert (outcome.ok, outcome.attempts) == (True, 3)
    assert [moment - script.asked_at[0] for moment in script.asked_at] == pytest.approx([0, 0.25, 0.5])


async def test_the_last_attempt_counts(autojump_clock: trio.testing.MockClock) -> None:
    script = Script(a_target(retries=2), REFUSED, 500, 503, seconds=[1, 2, 0.5])
    outcome = await checked(script)
    assert outcome.fault == Fault(Reason.STATUS, "503")
    assert outcome.attempts == 3
    assert outcome.duration_seconds == pytest.approx(0.5)


async def test_without_retries_there_is_one_attempt() -> None:
    script = Script(a_target(), REFUSED, 200)
    outcome = await checked(script)
    assert (outcome.fault, outcome.attempts) == (REFUSED, 1)


async def test_retries_stay_inside_the_slot(autojump_clock: trio.testing.MockClock) -> None:
    target = a_target(interval_seconds=10, timeout_seconds=4, retries=9, retry_interval_seconds=1)
    script = Script(target, REFUSED, seconds=[1.5])
    await checked(script)
    began = script.asked_at[0]
    assert [round(moment - began, 3) for moment in script.asked_at] == [0, 2.5, 5, 7.5]
    assert script.timeouts == [4, 4, 4, pytest.approx(2.5)]


async def test_an_attempt_with_less_than_its_time_does_not_blame_the_site_for_slowness(
    autojump_clock: trio.testing.MockClock,
) -> None:
    script = Script(a_target(interval_seconds=10, timeout_seconds=10, retries=1), REFUSED, TIMED_OUT, seconds=[5, 4])
    outcome = await checked(script)
    assert script.timeouts == [10, pytest.approx(4)]
    assert (outcome.fault, outcome.attempts) == (REFUSED, 2)


async def test_a_fault_of_this_machine_is_tried_again_once(autojump_clock: trio.testing.MockClock) -> None:
    script = Script(a_target(), NO_DESCRIPTORS, 200)
    outcome = await checked(script)
    assert (outcome.ok, outcome.attempts) == (True, 2)
    assert script.asked_at[1] - script.asked_at[0] == pytest.approx(LOCAL_RETRY_SECONDS)


async def test_a_fault_of_this_machine_that_stays_is_recorded_as_such(autojump_clock: trio.testing.MockClock) -> None:
    script = Script(a_target(retries=5), NO_DESCRIPTORS)
    outcome = await checked(script)
    assert (outcome.fault, outcome.attempts) == (NO_DESCRIPTORS, 2)


async def test_a_bug_is_an_outcome_of_its_own_and_ends_nothing() -> None:
    script = Script(a_target(retries=2), ZeroDivisionError("a bug"))
    with capture_logs() as logs:
        outcome = await checked(script)
    assert outcome.fault == Fault(Reason.INTERNAL, "ZeroDivisionError inside watcher; its log has more")
    assert [(entry["log_level"], type(entry["exc_info"])) for entry in logs] == [("error", ZeroDivisionError)]


class Sleeper(Script):
    """A probe that stops the loop during a request, as SIGSTOP would, a given number of times."""

    def __init__(self, clock: trio.testing.MockClock, target: Target, *answers: Fault | int, times: int) -> None:
        super().__init__(target, *answers)
        self._clock = clock
        self._times = times

    async def fetch(self, timeout_seconds: float | None = None) -> Exchange:
        if self._times:
            self._times -= 1
            self._clock.jump(BEAT_SECONDS + PAUSE_SECONDS + 0.01)
        return await super().fetch(timeout_seconds)


async def run_with_pauses(script: Script) -> Outcome:
    pauses = Pauses(lambda: 0.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pauses.run)
        await trio.sleep(1)
        outcome = await checked(script, pauses)
        nursery.cancel_scope.cancel()
    return outcome


async def test_a_failure_across_a_pause_is_tried_again(autojump_clock: trio.testing.MockClock) -> None:
    outcome = await run_with_pauses(Sleeper(autojump_clock, a_target(), TIMED_OUT, 200, times=1))
    assert (outcome.ok, outcome.attempts) == (True, 2)


async def test_a_failure_across_a_pause_twice_is_this_machines(autojump_clock: trio.testing.MockClock) -> None:
    outcome = await run_with_pauses(Sleeper(autojump_clock, a_target(), TIMED_OUT, times=2))
    assert outcome.fault == Fault(Reason.LOCAL, "the monitor itself was paused during the check, which saw: no answer")


async def test_a_site_that_fails_after_the_pause_too_is_to_blame(autojump_clock: trio.testing.MockClock) -> None:
    outcome = await run_with_pauses(Sleeper(autojump_clock, a_target(), TIMED_OUT, 503, times=1))
    assert outcome.fault == Fault(Reason.STATUS, "503")


async def test_a_pause_does_not_make_a_site_slow(autojump_clock: trio.testing.MockClock) -> None:
    target = a_target(expected=Expectations(degraded_after_seconds=0.1))
    outcome = await run_with_pauses(Sleeper(autojump_clock, target, 200, times=1))
    assert (outcome.ok, outcome.degraded) == (True, None)
    slow = Script(target, 200, seconds=[0.2])
    assert (await run_with_pauses(slow)).degraded is not None


async def test_retries_of_a_recheck_end_at_the_next_regular_slot(autojump_clock: trio.testing.MockClock) -> None:
    script = Script(a_target(interval_seconds=10, timeout_seconds=4, retries=9), REFUSED, seconds=[0.5])
    context = a_checker(lambda _target: script)
    now = context.clock.now()
    await check_slot(script, Slot(now, regular=now - 7), context)
    assert script.timeouts == [4, pytest.approx(1.5)]


class Answering(Script):
    """A probe that gets a whole response, in which the site sends back the request."""

    async def fetch(self, timeout_seconds: float | None = None) -> Exchange:
        exchange = await super().fetch(timeout_seconds)
        headers = ((b"server", b"nginx"), (b"set-cookie", b"a=b"))
        return exchange._replace(
            body=b"you are hunter2", headers=headers, reason_phrase="No hunter2", notes=("odd: hunter2",)
        )


async def test_the_excerpt_of_a_failing_site_has_no_secrets_of_the_target() -> None:
    outcome = await checked(Answering(a_target(address="http://hunter2@127.0.0.1:1/"), 503))
    assert outcome.fault == Fault(Reason.STATUS, "503 No ***")
    assert (outcome.excerpt, outcome.headers) == ("you are ***", (("server", "nginx"),))
    assert outcome.notes == ("odd: ***",)


async def test_of_a_success_and_of_no_response_nothing_is_kept() -> None:
    for outcome in (await checked(Answering(a_target(), 200)), await checked(Script(a_target(), REFUSED))):
        assert (outcome.excerpt, outcome.headers) == (None, ())


async def test_lateness_and_slot_are_recorded(autojump_clock: trio.testing.MockClock) -> None:
    script = Script(a_target(), 200)
    context = a_checker(lambda _target: script)
    due = context.clock.now() - 3
    outcome = (await check_slot(script, Slot(due, skipped=2), context)).outcome
    assert outcome.lateness_seconds == pytest.approx(3)
    assert outcome.skipped_slots == 2
    assert outcome.scheduled_at.timestamp() == pytest.approx(due)
    assert outcome.started_at.timestamp() == pytest.approx(EPOCH + trio.current_time())
