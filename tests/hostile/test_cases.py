"""Every bad server gets its reason by the deadline, raises nothing, and leaves nothing open."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
import trio

from tests.hostile.all_cases import BY_NAME, CASES, HEAVY
from tests.hostile.harness import (
    complaint_about_check,
    open_connections,
    open_descriptors,
    opened_checker,
    serving_case,
    target_of,
)

if TYPE_CHECKING:
    from tests.hostile.case import Case
    from tests.hostile.certificates import Certificates

# Heavy ones are in test_weight.py.
LIGHT = [case for case in CASES if case.name not in HEAVY]


def test_names_are_unique_and_there_are_many() -> None:
    assert len(BY_NAME) == len(CASES) > 75
    assert BY_NAME.keys() >= set(HEAVY)


@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize(
    "case", [case for case in LIGHT if not case.waits], ids=lambda case: case.name.replace(" ", "-")
)
async def test_a_bad_server_has_its_reason(case: Case, certificates: Certificates) -> None:
    async with opened_checker() as context:
        before = open_descriptors()
        async with serving_case(case, certificates) as port:
            target = target_of(case, port, certificates.ca_file)
            complaint = await complaint_about_check(case, target, context)
        assert open_descriptors() == before
    assert complaint is None


@pytest.mark.usefixtures("no_garbage_collection")
async def test_servers_that_let_wait_have_their_reason_by_the_deadline(certificates: Certificates) -> None:
    """They are checked at the same time, since each takes its whole deadline and next to no work."""
    waiting = [case for case in LIGHT if case.waits]
    complaints = {}
    async with opened_checker() as context:
        before = open_descriptors()

        async def check(case: Case, port: int) -> None:
            target = target_of(case, port, certificates.ca_file)
            complaints[case.name] = await complaint_about_check(case, target, context)

        async with AsyncExitStack() as servers:
            ports = {await servers.enter_async_context(serving_case(case, certificates)): case for case in waiting}
            connected_before = open_connections()
            async with trio.open_nursery() as nursery:
                for port, case in ports.items():
                    nursery.start_soon(check, case, port)
            connected = open_connections() - connected_before
        wrong = [f"{name}: {complaint}" for name, complaint in complaints.items() if complaint is not None]
        assert not wrong, "\n".join(wrong)
        assert [ports[port].name for _, port in connected if port in ports] == [], "left open"
        assert open_descriptors() == before
