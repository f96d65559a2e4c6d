"""Whatever stands in a request, what answers it has no fault."""

from __future__ import annotations

from typing import Any

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.web.test_metrics import THREE, a_present
from watcher.web.access.rules import AccessRules
from watcher.web.app import app_of
from watcher.web.serving.bounds import Bounded

TEXT = st.text(st.characters(codec="utf-8"), max_size=200)
HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=200)
PATHS = st.one_of(
    st.sampled_from(["/metrics", "/livez", "/readyz", "/-/reload", "/watch", "/watch/metrics", "/..//metrics"]),
    TEXT.map(lambda text: f"/{text}"),
)
NAMES = st.sampled_from(
    [
        *("host", "origin", "authorization", "accept", "accept-encoding", "sec-fetch-site"),
        *("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
    ]
)
RULES = st.sampled_from(
    [
        AccessRules(),
        AccessRules(token="0123456789abcdef", is_public=True),
        AccessRules(token="0123456789abcdef", url="https://status.example/watch"),
    ]
)


@given(
    rules=RULES,
    method=st.sampled_from(["GET", "HEAD", "POST", "DELETE", "PUT"]),
    path=PATHS,
    query=TEXT,
    headers=st.lists(st.tuples(NAMES, HEADER), max_size=6),
    has_host=st.booleans(),
)
def test_no_request_has_a_fault_for_an_answer(
    rules: AccessRules, method: str, path: str, query: str, headers: list[tuple[str, str]], has_host: bool
) -> None:
    statuses = []
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "scheme": "http",
        "client": None,  # as at a unix socket: all that proxies say is believed
        "headers": [*([(b"host", b"localhost")] if has_host else []), *sent],
    }

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def ask() -> None:
        await Bounded(app_of(a_present(*THREE), rules))(scope, receive, send)

    trio.run(ask, clock=trio.testing.MockClock(autojump_threshold=0))
    assert len(statuses) == 1
    assert statuses[0] < 500 or (path.endswith("/readyz") and statuses == [503])
