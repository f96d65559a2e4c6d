"""Reads the request of a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.config.mistakes import shown
from watcher.config.schema.limits import MAX_REDIRECTS
from watcher.config.schema.request_keys import SendingOptions
from watcher.config.secret_files import written_secret
from watcher.config.targets.headers import TOKEN, read_headers
from watcher.model.target import DEFAULT_MAX_REDIRECTS, Sending, basic_authorization

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.config.mistakes import Complain
    from watcher.config.schema.config_file import Options

SENDING_KEYS = tuple(SendingOptions.__annotations__)


def read_sending(values: Options, complain: Complain, folder: Path) -> Sending:
    """Read the request.

    Args:
        values: an entry merged with the defaults.
        complain: records a mistake.
        folder: the base of relative paths.
    """
    max_redirects = values.get("max_redirects")
    if max_redirects is not None and not 0 <= max_redirects <= MAX_REDIRECTS:
        complain(
            ("max_redirects",),
            f"{shown(max_redirects)} is not from 0 to {MAX_REDIRECTS}; write how many may be followed",
        )
    return Sending(
        method=_method(values, complain),
        headers=read_headers(values.get("headers") or {}, ("headers",), complain),
        authorization=_authorization(values, complain, folder),
        body=(values.get("body") or "").encode(),
        follow_redirects=values.get("follow_redirects") is not False,
        max_redirects=DEFAULT_MAX_REDIRECTS if max_redirects is None else max_redirects,
    )


def _method(values: Options, complain: Complain) -> str:
    method = values.get("method")
    if method is None:
        return "GET"
    if not TOKEN.fullmatch(method) or method.upper() == "CONNECT":
        complain(("method",), f"{shown(method)} is not a method that can be sent; write one as in POST")
    return method.upper()


def _authorization(values: Options, complain: Complain, folder: Path) -> str | None:
    basic, bearer = values.get("basic_auth"), values.get("authorization")
    if basic is not None and bearer is not None:
        complain(("authorization",), "is written besides basic_auth; remove one")
        return None
    if "authorization" in {name.lower() for name in values.get("headers") or {}} and (basic or bearer) is not None:
        key = "authorization" if basic is None else "basic_auth"
        complain((key,), "is written besides the header Authorization; remove one")
        return None
    if basic is not None:
        username = basic["username"]
        password = written_secret(("basic_auth", "password"), basic, complain, folder)
        if ":" in username:
            complain(("basic_auth", "username"), "has a colon, which ends a user name (RFC 7617); write it without")
        return basic_authorization(username, password)
    if bearer is not None:
        scheme = bearer.get("type") or "Bearer"
        if not TOKEN.fullmatch(scheme):
            # Never quoted, since the token may be in it.
            text = "is not an authorization type; write one word, as in Bearer, and the rest under credentials"
            complain(("authorization", "type"), text)
        return f"{scheme} {written_secret(('authorization', 'credentials'), bearer, complain, folder)}"
    return None
