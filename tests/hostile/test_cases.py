"""Every bad server has its reason by the deadline, raises nothing, and leaves nothing open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.hostile.all_cases import BY_NAME, CASES
from tests.hostile.harness import complaint_about_check, open_descriptors, opened_checker, serving_case, target_of

if TYPE_CHECKING:
    from tests.hostile.case import Case
    from tests.hostile.certificates import Certificates


def test_names_are_unique_and_there_are_many() -> None:
    assert len(BY_NAME) == len(CASES) > 75


@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
async def test_a_bad_server_has_its_reason(case: Case, certificates: Certificates) -> None:
    async with opened_checker() as context:
        before = open_descriptors()
        async with serving_case(case, certificates) as port:
            target = target_of(case, port, certificates.ca_file)
            complaint = await complaint_about_check(case, target, context)
        assert open_descriptors() == before
    assert complaint is None
