"""Who may see and who may write: each rule as a table, and the whole access check without a socket."""

from __future__ import annotations

import base64
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest
import trio
from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from watcher.config.env.settings import load_settings
from watcher.web.access.gate import FAILURE_SECONDS, MAX_FAILURES_IN_WAIT, Gate
from watcher.web.access.rules import AccessRules, rules_of

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

TOKEN = "0123456789abcdef"
BOTH = AccessRules(user="zoë", password="a:b", token=TOKEN)
PUBLIC = AccessRules(user="zoë", password="a:b", token=TOKEN, is_public=True)
LOCAL = AccessRules()
OPEN = AccessRules(is_local=False)
BEARER = f"Bearer {TOKEN}"


def basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


async def told(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the result of the access check."""
    found = {"sees_all": scope["state"]["sees_all"], "root": scope["root_path"], "path": scope["path"]}
    host = Headers(scope=scope).get("host")
    await JSONResponse(found | {"origin": f"{scope['scheme']}://{host}"})(scope, receive, send)


async def ask(
    gate: Gate, path: str = "/", method: str = "GET", address: str | None = "127.0.0.1", **headers: str
) -> tuple[int, dict[str, str], Any]:
    """Send a request through the access check, and return status, headers and what was found."""
    fields = {"host": "localhost:8080", **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "scheme": "http",
        "client": None if address is None else (address, 1234),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in fields.items()],
    }
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await trio.sleep_forever()

    await gate(scope, receive, send)
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, sent[1]["body"].decode()


@pytest.mark.parametrize(
    ("rules", "authorization", "read", "sees_all", "write"),
    [
        (LOCAL, None, 200, True, 403),
        (OPEN, None, 200, False, 403),
        (OPEN, BEARER, 200, False, 403),
        (BOTH, None, 401, None, 401),
        (BOTH, BEARER, 200, True, 200),
        (BOTH, f"bearer  {TOKEN}", 200, True, 200),
        (BOTH, basic("zoë:a:b"), 200, True, 200),
        (BOTH, basic(f"anybody:{TOKEN}"), 200, True, 200),
        (BOTH, basic("zoë:a"), 401, None, 401),
        (BOTH, basic("zoë"), 401, None, 401),
        (BOTH, "Basic ???", 401, None, 401),
        (BOTH, "Bearer", 401, None, 401),
        (BOTH, "Digest x", 401, None, 401),
        (AccessRules(user="u", password="p"), "Bearer ", 401, None, 401),
        (AccessRules(user="u", password="p"), basic("u:"), 401, None, 401),
        (AccessRules(token=TOKEN), basic("None:None"), 401, None, 401),
        (PUBLIC, None, 200, False, 401),
        (PUBLIC, BEARER, 200, True, 200),
        (PUBLIC, "Bearer wrong", 401, None, 401),
    ],
)
async def test_who_may_see_and_write(
    rules: AccessRules,
    authorization: str | None,
    read: int,
    sees_all: bool | None,
    write: int,
    autojump_clock: trio.testing.MockClock,
) -> None:
    del autojump_clock
    gate = Gate(told, rules)
    given = {} if authorization is None else {"authorization": authorization}
    status, _headers, body = await ask(gate, **given)
    assert status == read
    assert sees_all is None or f'"sees_all":{str(sees_all).lower()}' in body
    status, _headers, body = await ask(gate, method="POST", **given)
    assert status == write
    if status == 403:
        assert "WATCHER_HTTP_TOKEN" in body


@pytest.mark.parametrize(
    ("rules", "authorization", "status", "asks"),
    [
        (PUBLIC, None, 401, "Basic"),
        (PUBLIC, basic(f"me:{TOKEN}"), 200, None),
        (BOTH, None, 401, "Basic"),
        (OPEN, None, 200, None),
    ],
)
async def test_a_person_can_sign_in_where_the_page_is_public(
    rules: AccessRules, authorization: str | None, status: int, asks: str | None
) -> None:
    given = {} if authorization is None else {"authorization": authorization}
    answered, headers, _body = await ask(Gate(told, rules), path="/sign-in", **given)
    assert answered == status
    assert headers.get("www-authenticate", "").partition(" ")[0] == (asks or "")


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("localhost", True),
        ("LOCALHOST:1", True),
        ("127.0.0.1:8080", True),
        ("[::1]:8080", True),
        ("192.0.2.7", True),
        ("status.example", True),
        ("monitor.lan.", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
        ("localhost@evil.example", False),
        ("[::1", False),
    ],
)
def test_hosts_of_ours_and_of_others(host: str, is_ours: bool, tmp_path: Path) -> None:
    given = {"WATCHER_HTTP_URL": "https://status.example/x", "WATCHER_HTTP_HOSTS": "Monitor.lan"}
    rules = rules_of(load_settings(tmp_path / "none", {"CONFIG_FILE_PATH": "c.yaml", **given}))
    assert rules.has_host(host) == is_ours


@pytest.mark.parametrize(
    ("settings", "is_open"),
    [
        ({}, False),
        ({"WATCHER_HTTP": "unix:/run/page.sock"}, False),
        ({"WATCHER_HTTP": "off"}, False),
        ({"WATCHER_HTTP_URL": "http://localhost:8080"}, False),
        ({"WATCHER_HTTP": "0.0.0.0:8080"}, True),
        ({"WATCHER_HTTP": "[::]:8080"}, True),
        ({"WATCHER_HTTP": "monitor.lan:8080"}, True),
        ({"WATCHER_HTTP_URL": "https://status.example"}, True),
        ({"WATCHER_HTTP": "0.0.0.0:8080", "WATCHER_HTTP_TOKEN": TOKEN}, False),
        ({"WATCHER_HTTP": "0.0.0.0:8080", "WATCHER_HTTP_PUBLIC": "on"}, False),
    ],
)
def test_pages_open_to_others_without_a_password_are_known(
    settings: dict[str, str], is_open: bool, tmp_path: Path
) -> None:
    rules = rules_of(load_settings(tmp_path / "none", {"CONFIG_FILE_PATH": "c.yaml", **settings}))
    assert rules.is_open_to_others == is_open
    assert rules.sees_all(is_known=False) == (not is_open and not rules.has_auth and not rules.is_public)


async def test_a_foreign_host_is_refused_but_for_probes() -> None:
    gate = Gate(told, LOCAL)
    assert (await ask(gate, host="evil.example"))[0] == 421
    assert (await ask(gate, path="/livez", host="evil.example"))[0] == 200
    assert (await ask(Gate(told, BOTH), path="/readyz", host="10.0.0.1"))[0] == 200
    assert (await ask(gate, method="TRACE"))[0] == 405


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://localhost:8080"}, 200),
        ({"origin": "https://status.example"}, 200),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "http://["}, 403),
        ({"sec_fetch_site": "same-origin"}, 200),
        ({"sec_fetch_site": "none"}, 200),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"sec_fetch_site": "cross-site", "origin": "http://localhost:8080"}, 403),
    ],
)
async def test_writes_must_come_from_our_own_page(headers: dict[str, str], status: int) -> None:
    gate = Gate(told, AccessRules(token=TOKEN, url="https://status.example/x"))
    assert (await ask(gate, method="POST", authorization=BEARER, **headers))[0] == status


async def test_wrong_credentials_wait_and_those_of_one_address_are_few(
    autojump_clock: trio.testing.MockClock,
) -> None:
    del autojump_clock
    gate, statuses = Gate(told, BOTH), []

    async def guess(address: str) -> None:
        statuses.append((await ask(gate, address=address, authorization="Bearer wrong"))[0])

    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(guess, "192.0.2.1")
        nursery.start_soon(guess, "192.0.2.2")
        await trio.testing.wait_all_tasks_blocked()
        assert (await ask(gate, address="192.0.2.1", authorization=BEARER))[
            0
        ] == 429  # a right one reveals nothing either
        assert (await ask(gate, address="192.0.2.2", authorization=BEARER))[0] == 200
        assert statuses == [429] * (20 - MAX_FAILURES_IN_WAIT)
    assert trio.current_time() - begun == pytest.approx(FAILURE_SECONDS)
    assert statuses.count(401) == MAX_FAILURES_IN_WAIT + 1
    assert (await ask(gate, address="192.0.2.1", authorization=BEARER))[0] == 200


async def test_only_proxies_that_are_trusted_are_believed() -> None:
    rules = AccessRules(trusted_proxies=(ip_network("10.0.0.0/8"),), url="https://status.example/watch")
    assert rules.origin == "https://status.example"
    given = {"x_forwarded_for": "203.0.113.1, 10.0.0.9", "x_forwarded_proto": "https"}
    given["x_forwarded_host"] = "other.example, localhost"
    gate = Gate(told, rules)
    status, _, body = await ask(gate, address="10.1.1.1", path="/watch/targets/a", host="inner.example", **given)
    assert (status, body) == (
        200,
        '{"sees_all":true,"root":"/watch","path":"/watch/targets/a","origin":"https://localhost"}',
    )
    assert (await ask(gate, address="192.0.2.1", host="inner.example", **given))[0] == 421
    given["x_forwarded_host"] = "localhost, other.example"
    assert (await ask(gate, address="10.1.1.1", **given))[0] == 421
    _, _, body = await ask(gate, address="192.0.2.1", path="/targets/a", **given)
    assert '"path":"/watch/targets/a","origin":"http://localhost:8080"' in body
    _, _, body = await ask(gate, address=None, path="/watch")  # at a unix socket
    assert '"path":"/watch/"' in body
    assert rules.client_of("10.1.1.1", ["198.51.100.1, 203.0.113.1", "10.0.0.9"]) == "203.0.113.1"
    assert rules.client_of("10.1.1.1", ["nonsense, 10.0.0.9"]) == "10.0.0.9"
    assert rules.client_of("192.0.2.1", ["203.0.113.1"]) == "192.0.2.1"


async def test_every_answer_has_the_headers_that_browsers_obey() -> None:
    for answered in (await ask(Gate(told, LOCAL)), await ask(Gate(told, LOCAL), host="evil.example")):
        headers = answered[1]
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "'unsafe" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "same-origin")
