"""Checks access for every request to the page, and adds security headers to every response."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import trio
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from watcher.web.access.rules import AccessRules

# They reveal nothing, and their callers, such as container probes, have neither a host name nor credentials.
OPEN_PATHS = frozenset({"/livez", "/readyz"})
# A public page never asks for credentials; this path makes browsers ask for them.
SIGN_IN_PATH = "/sign-in"
# Paths below it have more methods, and each checks its own.
API_PATH = "/api/"
READING_METHODS = frozenset({"GET", "HEAD"})
METHODS = READING_METHODS | {"POST", "DELETE"}
# How long the answer to wrong credentials is delayed.
FAILURE_SECONDS = 1.0
# The bound of delayed answers to one address; its further credentials are not even checked.
MAX_FAILURES_IN_WAIT = 5

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # without it, browsers omit the origin of our own forms
    "cross-origin-opener-policy": "same-origin",
}
_HOW_TO_WRITE = (
    "Writing is refused: no auth is configured. Set WATCHER_HTTP_TOKEN, or WATCHER_HTTP_USER and WATCHER_HTTP_PASSWORD."
)


class Gate:
    """Passes on allowed requests.

    It sets `scope["state"]`: `sees_all`, whether addresses, details and excerpts may be shown, and `may_write`, whether
    the caller is authenticated. It sets `scope["root_path"]` to the prefix of a proxy, for links. For a trusted proxy,
    it sets the header `Host` and `scope["scheme"]` to those of the browser's request.
    """

    def __init__(self, app: ASGIApp, rules: AccessRules) -> None:
        """Protect an app.

        Args:
            app: called for allowed requests.
            rules: the access rules.
        """
        self._app = app
        self._rules = rules
        self._failing: Counter[str] = Counter()  # bounded by the connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refusal = await self._refusal(scope)
        app = refusal if refusal is not None else self._app
        await app(scope, receive, send_with_headers)

    async def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        """Prepare a request for the app, or return a refusal."""
        headers, rules = MutableHeaders(scope=scope), self._rules
        address = scope["client"][0].partition("%")[0] if scope["client"] else ""
        host = headers.get("host", "")
        if rules.trusts(address):
            # Proxies append to the received value: the last entry is that of the trusted one.
            host = headers["host"] = headers.get("x-forwarded-host", host).rpartition(",")[2].strip()
            if headers.get("x-forwarded-proto", "") in {"http", "https"}:
                scope["scheme"] = headers["x-forwarded-proto"]
            address = rules.client_of(address, headers.getlist("x-forwarded-for"))
        path = self._path_without_prefix(scope)
        scope.setdefault("state", {}).update(sees_all=False, may_write=False)
        if path in OPEN_PATHS and scope["method"] in READING_METHODS:
            return None
        if not rules.has_host(host):
            return _answer(421, "Unknown host name; add it to WATCHER_HTTP_HOSTS to allow it.")
        if scope["method"] not in METHODS and not path.startswith(API_PATH):
            return _answer(405, "Method not allowed.", allow=", ".join(sorted(METHODS)))
        is_known = False
        if (authorization := headers.get("authorization")) is not None and rules.has_auth:
            if self._failing[address] >= MAX_FAILURES_IN_WAIT:
                return _answer(429, "Too many wrong credentials.", retry_after="1")
            is_known = rules.knows(authorization)
            if not is_known:
                await self._slow_down(address)
                return self._unauthorized("Wrong credentials.")
        scope["state"].update(sees_all=rules.sees_all(is_known=is_known), may_write=is_known)
        if scope["method"] not in READING_METHODS:
            return self._refusal_to_write(headers, host, is_known=is_known)
        if path == SIGN_IN_PATH and rules.has_auth and not is_known:
            return self._unauthorized("Authentication required.", by_a_person=True)
        return None if rules.may_read(is_known=is_known) else self._unauthorized("Authentication required.")

    def _refusal_to_write(self, headers: MutableHeaders, host: str, *, is_known: bool) -> PlainTextResponse | None:
        if not self._rules.has_auth:
            return _answer(403, _HOW_TO_WRITE)
        if not self._rules.is_same_origin(host, headers.get("origin"), headers.get("sec-fetch-site")):
            return _answer(403, "Cross-site request refused.")
        return None if is_known else self._unauthorized("Authentication required.")

    def _unauthorized(self, sentence: str, *, by_a_person: bool = False) -> PlainTextResponse:
        basic = by_a_person or self._rules.user is not None  # browsers prompt only for basic auth
        return _answer(401, sentence, www_authenticate=f'{"Basic" if basic else "Bearer"} realm="watcher"')

    async def _slow_down(self, address: str) -> None:
        self._failing[address] += 1
        try:
            await trio.sleep(FAILURE_SECONDS)
        finally:
            self._failing[address] -= 1
            if not self._failing[address]:
                del self._failing[address]

    def _path_without_prefix(self, scope: Scope) -> str:
        """Return the path below that of WATCHER_HTTP_URL, also if a proxy strips it; sets both for ASGI."""
        prefix, path = self._rules.prefix, scope["path"]
        if prefix and (path == prefix or path.startswith(f"{prefix}/")):
            path = path.removeprefix(prefix) or "/"
        scope["root_path"], scope["path"] = prefix, f"{prefix}{path}"
        return str(path)


def _answer(status: int, sentence: str, **headers: str) -> PlainTextResponse:
    return PlainTextResponse(
        f"{sentence}\n", status, {name.replace("_", "-"): value for name, value in headers.items()}
    )
