"""What goes along with a redirect, and what stays behind."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.doubles import a_target
from tests.integration.sites import serving
from tests.integration.transport_servers import Site, asked, kept_response
from watcher.model.outcome import Reason
from watcher.model.target import Sending

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECRETS = Sending(
    headers=(("X-Api-Key", "s3cret"), ("Cookie", "session=s3cret"), ("Accept-Language", "de")),
    authorization="Bearer s3cret",
)


def redirecting_to(location: str, status: str = "302 Found") -> bytes:
    """Write a redirect."""
    return kept_response(status=status, headers=f"Location: {location}\r\n")


@asynccontextmanager
async def two_sites(status: str = "302 Found") -> AsyncIterator[tuple[int, Site, Site]]:
    """Serve a site that redirects to another one; the value is the first one's port and both."""
    other = Site()
    async with serving(other.behave) as other_port:
        first = Site(lambda _: redirecting_to(f"http://127.0.0.1:{other_port}/elsewhere", status))
        async with serving(first.behave) as port:
            yield port, first, other


async def test_all_is_sent_where_the_origin_stays() -> None:
    site = Site(lambda number: redirecting_to("/second") if number == 0 else kept_response())
    async with serving(site.behave) as port:
        exchange = await asked(a_target(address=f"http://127.0.0.1:{port}/", sending=SECRETS))
    assert exchange.fault is None
    for request in site.requests:
        for line in (b"Authorization: Bearer s3cret", b"X-Api-Key: s3cret", b"session=s3cret", b"Accept-Language: de"):
            assert line.lower() in request.lower()


async def test_no_secret_goes_to_another_origin() -> None:
    async with two_sites() as (port, first, other):
        exchange = await asked(a_target(address=f"http://user:s3cret@127.0.0.1:{port}/", sending=SECRETS))
    assert exchange.fault is None
    assert b"s3cret" in first.requests[0]
    assert b"s3cret" not in other.requests[0]
    assert b"uthorization" not in other.requests[0]
    assert b"accept-language: de" in other.requests[0].lower()


async def test_what_was_left_behind_does_not_come_back_with_the_origin() -> None:
    answers = [b"", kept_response()]
    site = Site(lambda number: answers[number])
    async with serving(site.behave) as port:
        other = Site(lambda _: redirecting_to(f"http://127.0.0.1:{port}/back"))
        async with serving(other.behave) as other_port:
            answers[0] = redirecting_to(f"http://127.0.0.1:{other_port}/")
            exchange = await asked(a_target(address=f"http://127.0.0.1:{port}/", sending=SECRETS))
    assert exchange.fault is None
    assert b"s3cret" in site.requests[0]
    assert b"s3cret" not in other.requests[0] + site.requests[1]


async def test_another_name_for_the_same_machine_is_another_origin() -> None:
    site = Site(lambda number: redirecting_to(f"http://localhost:{port}/") if number == 0 else kept_response())
    async with serving(site.behave) as port:
        exchange = await asked(a_target(address=f"http://127.0.0.1:{port}/", sending=SECRETS))
    assert exchange.fault is None
    assert b"s3cret" not in site.requests[1]


@pytest.mark.parametrize("status", ["307 Temporary Redirect", "308 Permanent Redirect"])
async def test_a_body_does_not_go_to_another_origin(status: str) -> None:
    async with two_sites(status) as (port, _, other):
        sending = Sending(method="POST", body=b"password=s3cret")
        exchange = await asked(a_target(address=f"http://127.0.0.1:{port}/", sending=sending))
    assert exchange.fault is not None
    assert exchange.fault.reason == Reason.REDIRECT
    assert other.connections == 0


async def test_a_login_in_the_address_of_a_redirect_is_not_shown() -> None:
    other = Site()
    async with serving(other.behave) as other_port:
        first = Site(lambda _: redirecting_to(f"http://user:hunter2@127.0.0.1:{other_port}/?token=hunter3"))
        async with serving(first.behave) as port:
            exchange = await asked(a_target(address=f"http://127.0.0.1:{port}/"))
    assert exchange.fault is None
    assert "hunter" not in repr(exchange.hops)
