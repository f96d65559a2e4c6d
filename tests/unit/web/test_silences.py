"""Silences and acks over HTTP: by the API, and by the forms of the page."""

from __future__ import annotations

from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.doubles import MOMENT, Disk, a_target
from tests.unit.alerting.test_silences import HOUR, a_silence, put_incident
from watcher.alerting.silences.keeper import SilenceKeeper
from watcher.alerting.silences.present import Silences
from watcher.model.state import Standing, State
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.outbox import Outbox
from watcher.text.timestamps import timestamp
from watcher.web.access.rules import AccessRules
from watcher.web.app import app_of
from watcher.web.present import Present

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

TOKEN = "0123456789abcdef"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
SILENCES = "/api/v1/silences"
ACK = "/api/v1/endpoints/shop_checkout/ack"
GOOD: dict[str, Any] = {"targets": ["Checkout"], "duration_ms": 3_600_000, "why": "a move"}


@pytest.fixture
def present(tmp_path: Path) -> Iterator[Present]:
    """The state of a daemon with two sites; the first has an open incident."""
    present = Present(clock=MOMENT.timestamp)
    present.targets = {
        "Checkout": a_target("Checkout", group="shop"),
        "https://inner.example/": a_target("https://inner.example/", group="inner", address="https://inner.example/"),
    }
    present.board.place(dict.fromkeys(present.targets, Standing(State.UP, MOMENT, State.UP)))
    with closing(Outbox(tmp_path / "outbox.sqlite")) as outbox:
        put_incident(outbox, "Checkout")
        present.keeper = SilenceKeeper(Disk(outbox), tmp_path, "default", present.silences, clock=present.clock)
        yield present


@asynccontextmanager
async def a_client(present: Present, **rules: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Send a request through the gate."""
    app = app_of(present, AccessRules(**{"token": TOKEN, **rules}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        yield client


async def test_a_silence_is_started_shown_and_ended(present: Present) -> None:
    async with a_client(present) as client:
        begun = await client.post(SILENCES, json={**GOOD, "by": "eve"}, headers=AUTH)
        record = begun.json()
        assert (begun.status_code, record) == (
            201,
            {
                "id": record["id"], "start": timestamp(MOMENT), "end": timestamp(MOMENT + HOUR), "why": "a move",
                "by": "eve", "targets": ["Checkout"], "group": None,
            },
        )  # fmt: skip
        assert [str(one.id) for one in present.silences.silences] == [record["id"]]
        assert (await client.get(SILENCES, headers=AUTH)).json() == {"silences": [record], "next": None}
        ended = await client.delete(f"{SILENCES}/{record['id'].upper()}", headers=AUTH)
        assert (ended.status_code, ended.json()) == (200, {**record, "end": timestamp(MOMENT)})
        assert (await client.delete(f"{SILENCES}/{record['id']}", headers=AUTH)).status_code == 404
        assert (await client.get(SILENCES, headers=AUTH)).json() == {"silences": [], "next": None}
        for wanted in ({"group": "shop"}, {"all": True}):
            body = {**wanted, "until": timestamp(MOMENT + 2 * HOUR), "why": "x"}
            assert (await client.post(SILENCES, json=body, headers=AUTH)).json()["end"] == body["until"]
        assert len(present.silences.silences) == 2


async def test_only_open_incidents_are_acknowledged(present: Present) -> None:
    async with a_client(present) as client:
        answer = await client.post(ACK, headers=AUTH)
        assert (answer.status_code, answer.json()["target"]) == (201, "Checkout")
        assert (await client.post(ACK, json={"why": "known", "by": "eve"}, headers=AUTH)).status_code == 201
        assert {(ack.why, ack.by) for ack in present.silences.acks} == {("", ""), ("known", "eve")}
        other = "/api/v1/endpoints/inner_https:--inner-example-/ack"
        assert (await client.post(other, headers=AUTH)).status_code == 409
        assert (await client.post("/api/v1/endpoints/nobody/ack", headers=AUTH)).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "wrong"),
    [
        ({**GOOD, "targets": ["Checkout", "nobody"]}, 422, ["targets"]),
        ({**GOOD, "targets": []}, 422, ["targets"]),
        ({**GOOD, "targets": "Checkout"}, 422, ["targets"]),
        ({**GOOD, "group": "shop"}, 422, ["targets"]),
        ({"duration_ms": 1, "why": "x"}, 422, ["targets"]),
        ({"group": "nobody", "duration_ms": 1, "why": "x"}, 422, ["group"]),
        ({"all": False, "duration_ms": 1, "why": "x"}, 422, ["all"]),
        ({**GOOD, "duration_ms": 1.5}, 422, ["duration_ms"]),
        ({**GOOD, "duration_ms": True}, 422, ["duration_ms"]),
        ({**GOOD, "duration_ms": 10**11}, 422, ["duration_ms"]),
        ({"all": True, "until": timestamp(MOMENT), "why": "x"}, 422, ["until"]),
        ({"all": True, "until": "soon", "why": "x"}, 422, ["until"]),
        ({**GOOD, "why": " "}, 422, ["why"]),
        ({**GOOD, "why": "x" * 501, "by": 1, "who": 2}, 422, ["by", "who", "why"]),
        ([], 422, ["body"]),
        (b"{", 400, None),
        (b'{"all": true, "why": "x", "duration_ms": 1e999}', 422, ["duration_ms"]),
    ],
)
async def test_a_body_that_is_wrong_changes_nothing(
    body: object, status: int, wrong: list[str] | None, present: Present
) -> None:
    sent: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
    async with a_client(present) as client:
        answer = await client.post(SILENCES, **sent, headers={**AUTH, "Content-Type": "application/json"})
        problem = answer.json()
        assert (answer.status_code, problem["status"]) == (status, status)
        assert wrong is None or sorted(one["name"] for one in problem["errors"]) == wrong
        form = await client.post(SILENCES, data={"all": "true"}, headers=AUTH)
        assert form.status_code == 415
    assert present.silences.silences == ()


async def test_who_may_write_and_what_the_public_sees(present: Present) -> None:
    assert present.keeper is not None
    for silence in (a_silence("Checkout"), a_silence("https://inner.example/"), a_silence()):
        await present.keeper.take(silence)
    requests = [("POST", SILENCES), ("DELETE", f"{SILENCES}/x"), ("POST", ACK)]
    async with a_client(present, token=None) as client:
        for method, path in requests:
            answer = await client.request(method, path, json=GOOD)
            assert answer.status_code == 403
            assert "WATCHER_HTTP_TOKEN" in answer.text
    async with a_client(present, is_public=True) as client:
        for method, path in requests:
            assert (await client.request(method, path, json=GOOD)).status_code == 401
            crossed = await client.request(method, path, json=GOOD, headers={**AUTH, "Origin": "https://evil.example"})
            assert crossed.status_code == 403
        text = (await client.get(SILENCES)).text
        assert "inner.example" not in text
        assert "a move" not in text
        assert "eve" not in text
        for method in ("PUT", "DELETE"):
            answer = await client.request(method, SILENCES, headers=AUTH)
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


async def test_an_unwritable_order_is_not_accepted(present: Present) -> None:
    assert present.keeper is not None
    disk = present.keeper._disk
    assert isinstance(disk, Disk)
    disk.error = OutboxUnavailableError("the disk is full")
    async with a_client(present) as client:
        for path, body in ((SILENCES, GOOD), (ACK, {})):
            answer = await client.post(path, json=body, headers=AUTH)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        present.keeper = None
        assert (await client.post(SILENCES, json=GOOD, headers=AUTH)).status_code == 503
    assert present.silences == Silences()


async def test_forms_of_the_page_silence_acknowledge_and_end(present: Present) -> None:
    page, form = "/targets/shop_checkout", {**AUTH, "Content-Type": "application/x-www-form-urlencoded"}
    present.board.place({"Checkout": Standing(State.DOWN, MOMENT, State.DOWN)})
    async with a_client(present, is_public=True) as client:

        async def send(path: str, **fields: str) -> tuple[int, str | None]:
            answer = await client.post(path, data=fields, headers=form)
            return answer.status_code, answer.headers.get("location")

        html = (await client.get(page, headers=AUTH)).text
        assert all(f'action="{page}/{name}"' in html for name in ("silence", "ack"))
        assert await send(f"{page}/silence", hours="4", why="<b>") == (303, page)
        assert await send(f"{page}/ack") == (303, page)
        [silence] = present.silences.silences
        assert (silence.end, silence.why, silence.targets) == (MOMENT + 4 * HOUR, "<b>", frozenset({"Checkout"}))
        html = (await client.get(page, headers=AUTH)).text
        assert "No notifications about <bdi>Checkout</bdi> until " in html
        assert "&lt;b&gt;" in html
        assert "Acknowledged at " in html
        assert f'action="{page}/ack"' not in html
        assert "No notifications" in (await client.get("/", headers=AUTH)).text
        for path in ("/", page):
            public = (await client.get(path)).text
            assert "Acknowledged" not in public
            assert "No notifications" not in public
            assert "<form method" not in public
        assert (await client.post(f"{page}/silence", data={"hours": "1", "why": "x"})).status_code == 401
        for fields in ({"hours": "2", "why": "x"}, {"hours": "1", "why": " "}, {"why": "x"}):
            assert (await send(f"{page}/silence", **fields))[0] == 422
        assert await send("/targets/inner_https:--inner-example-/ack") == (409, None)
        assert await send(f"/silences/{silence.id}/end", key="shop_checkout") == (303, page)
        assert await send(f"/silences/{silence.id}/end") == (303, "/")
        assert present.silences.silences == ()
    async with a_client(present, token=None) as client:
        assert 'method="post"' not in (await client.get(page)).text, "nobody may write where no auth is configured"
