"""What is sent to a target, as users write it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from watcher.config.mistakes import dotted, shown
from watcher.config.schema.limits import MAX_REDIRECTS
from watcher.config.schema.request_keys import SendingOptions
from watcher.config.secret_files import secret_of
from watcher.model.target import DEFAULT_MAX_REDIRECTS, Sending, basic_authorization

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.config.mistakes import Complain
    from watcher.config.schema.config_file import Options

SENDING_KEYS = tuple(SendingOptions.__annotations__)

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_HEADERS_OF_THE_CONNECTION = frozenset(
    {"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)


def read_sending(values: Options, complain: Complain, folder: Path) -> Sending:
    """Read what is sent.

    Args:
        values: an entry and the defaults, merged.
        complain: takes what is wrong.
        folder: where relative paths of files begin.
    """
    max_redirects = values.get("max_redirects")
    if max_redirects is not None and not 0 <= max_redirects <= MAX_REDIRECTS:
        complain(
            ("max_redirects",),
            f"{shown(max_redirects)} is not from 0 to {MAX_REDIRECTS}; write how many may be followed",
        )
    return Sending(
        method=_method(values, complain),
        headers=_headers(values, complain),
        authorization=_authorization(values, complain, folder),
        body=(values.get("body") or "").encode(),
        follow_redirects=values.get("follow_redirects") is not False,
        max_redirects=DEFAULT_MAX_REDIRECTS if max_redirects is None else max_redirects,
    )


def _method(values: Options, complain: Complain) -> str:
    method = values.get("method")
    if method is None:
        return "GET"
    if not _TOKEN.fullmatch(method) or method.upper() == "CONNECT":
        complain(("method",), f"{shown(method)} is no method that can be sent; write one as in POST")
    return method.upper()


def _headers(values: Options, complain: Complain) -> tuple[tuple[str, str], ...]:
    headers = values.get("headers") or {}
    first_names: dict[str, str] = {}
    for name, value in headers.items():
        path = ("headers", name)
        first = first_names.setdefault(name.lower(), name)
        # A value may be a secret: it is quoted nowhere.
        if not _TOKEN.fullmatch(name):
            complain(path, f"{shown(dotted([name]))} is no name of a header; write one as in Accept", key=True)
        elif name.lower() in _HEADERS_OF_THE_CONNECTION:
            complain(path, "is written by the connection itself; remove it", key=True)
        elif first != name:
            complain(path, f"is the same header as {shown(first)}; remove one", key=True)
        elif value != value.strip() or _CONTROL.search(value):
            complain(path, "has a line break, a control character or space around it; write one line")
    return tuple(headers.items())


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
        password = _secret(("basic_auth", "password"), dict(basic), complain, folder)
        if ":" in username:
            complain(("basic_auth", "username"), "has a colon, which ends a user name (RFC 7617); write it without")
        return basic_authorization(username, password)
    if bearer is not None:
        scheme = bearer.get("type") or "Bearer"
        if not _TOKEN.fullmatch(scheme):
            # It is quoted nowhere: the token may stand there as well.
            text = "is no type; write one word, as in Bearer, and what follows it under credentials"
            complain(("authorization", "type"), text)
        return f"{scheme} {_secret(('authorization', 'credentials'), dict(bearer), complain, folder)}"
    return None


def _secret(path: tuple[str, str], holder: dict[str, object], complain: Complain, folder: Path) -> str:
    """Return the secret that is written at a path, or in the file that the key with `_file` names."""
    (outer, key), file_key = path, f"{path[1]}_file"
    written, file_name = holder.get(key), holder.get(file_key)
    if written is not None and file_name is not None:
        complain((outer, file_key), f"is written besides {key}; remove one")
    elif file_name is not None:
        try:
            return secret_of(folder / str(file_name))
        except ValueError as error:
            complain((outer, file_key), str(error))
    elif written is None:
        complain((outer,), f"has neither {key} nor {file_key}; write one")
    elif not (text := str(written)).isprintable():
        complain(path, "has a line break or an unprintable character; write one line")
    else:
        return text
    return ""
