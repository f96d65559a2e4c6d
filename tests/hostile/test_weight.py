"""Bombs and floods get their reason, cost little memory, and delay nothing: other checks go on meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.hostile.all_cases import BY_NAME, HEAVY
from tests.hostile.certificates import CA_FILE
from tests.hostile.harness import (
    begin_of_peak,
    complaint_about_check,
    open_descriptors,
    opened_checker,
    peak_since,
    target_of,
    watching_for_stalls,
)
from tests.hostile.server_process import served_elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_MEMORY_BYTES = 50 * 1024 * 1024
# Of processor time, before the loop turns to others.
MAX_BUSY_SECONDS = 0.05


@pytest.fixture(scope="module")
def certificate_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def ports(certificate_folder: Path) -> Iterator[dict[str, int]]:
    with served_elsewhere(HEAVY, certificate_folder) as ports:
        yield ports


@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize("name", HEAVY, ids=lambda name: name.replace(" ", "-"))
async def test_heavy_cases_get_their_reason_and_use_little_memory(
    name: str, ports: dict[str, int], certificate_folder: Path
) -> None:
    case = BY_NAME[name]
    target = target_of(case, ports[name], str(certificate_folder / CA_FILE))
    async with opened_checker() as context:
        before, begin = open_descriptors(), begin_of_peak()
        async with watching_for_stalls() as stalls:
            complaint = await complaint_about_check(case, target, context)
        assert peak_since(begin) < MAX_MEMORY_BYTES
        assert open_descriptors() == before
    assert complaint is None
    assert stalls.longest_busy_seconds < MAX_BUSY_SECONDS
