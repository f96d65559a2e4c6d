"""Bombs and floods cost little memory, and hold nothing up: other checks go on meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.hostile.all_cases import BY_NAME
from tests.hostile.certificates import CA_FILE
from tests.hostile.harness import (
    TRIES,
    begin_of_peak,
    checked,
    complaint_about,
    opened_checker,
    peak_since,
    target_of,
    waited_for_cpu_seconds,
    watching_for_stalls,
)
from tests.hostile.server_process import served_elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_MEMORY_BYTES = 50 * 1024 * 1024
MAX_STALL_SECONDS = 0.05

HEAVY = [
    "gzip bomb",
    "deflate bomb",
    "bomb in a bomb",
    "gzip bomb in chunks",
    "redirect with a bomb",
    "redirect with an endless body",
    "gzip that says nothing for ever",
    "endless name in gzip",
    "endless body",
    "endless body in TLS",
    "huge chunk",
    "endless chunks",
    "endless chunks of a byte",
    "endless extension of a chunk",
    "endless trailers",
    "endless interim responses",
    "endless header",
    "endless headers",
    "100,000 headers",
    "endless warnings",
    "hello of 16 MB",
    "noise for ever",
    "HTTP/2 and endless continuations",
    "HTTP/2 and endless pings",
    "HTTP/2 and endless settings",
    "HTTP/2 and endless empty data",
    "HTTP/2 and endless unknown frames",
    "HTTP/2 and endless hints",
    "HTTP/2 and a bomb of headers",
    "HTTP/2 and a bomb of continuations",
    "HTTP/2 and a frame of 16 MB",
    "HTTP/2 and data beyond its window",
    "HTTP/2 and a gzip bomb",
    "HTTP/2 with a body larger than its window",
]


@pytest.fixture(scope="module")
def certificate_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def ports(certificate_folder: Path) -> Iterator[dict[str, int]]:
    with served_elsewhere(HEAVY, certificate_folder) as ports:
        yield ports


@pytest.mark.parametrize("name", HEAVY, ids=lambda name: name.replace(" ", "-"))
async def test_what_is_heavy_weighs_little(name: str, ports: dict[str, int], certificate_folder: Path) -> None:
    case = BY_NAME[name]
    target = target_of(case, ports[name], str(certificate_folder / CA_FILE))
    async with opened_checker() as context:
        for _ in range(TRIES):
            begin, waited_before = begin_of_peak(), waited_for_cpu_seconds()
            async with watching_for_stalls() as stalls:
                outcome = await checked(target, context)
            complaint = complaint_about(case, outcome, waited_for_cpu_seconds() - waited_before)
            assert peak_since(begin) < MAX_MEMORY_BYTES
            if complaint is None and stalls.longest_seconds < MAX_STALL_SECONDS:
                break
    assert complaint is None
    assert stalls.longest_seconds < MAX_STALL_SECONDS
