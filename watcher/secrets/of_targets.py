"""Lists the secrets of a target. Pure."""

from __future__ import annotations

import base64
import re
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_plus

from watcher.model.headers import OPEN_HEADERS
from watcher.model.target import basic_authorization
from watcher.secrets.masking import MIN_SECRET_CHARS, forms_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.model.target import Sending, Target

# First words of a header value that are not part of the secret.
_SCHEMES = frozenset({"basic", "bearer", "digest", "token"})


def secrets_of(target: Target) -> tuple[str, ...]:
    """Return the forms of userinfo and query of the address, authorization, headers, and userinfo of the proxy.

    The request body is not a secret here. `user:password` is not listed, because both of its parts are.
    """
    return _secrets_of(target.address, target.sending, target.connecting.proxy_url or "")


@lru_cache(1024)
def _secrets_of(address: str, sending: Sending, proxy_url: str) -> tuple[str, ...]:
    found = [*parts_of_address(address), *parts_of_userinfo(proxy_url), *parts_of_header(sending.authorization or "")]
    for name, value in sending.headers:
        if name.lower() not in OPEN_HEADERS:
            found += parts_of_header(value)
    return forms_of(found)


def parts_of_address(address: str) -> Iterator[str]:
    """Yield userinfo and the values of the query."""
    yield from parts_of_userinfo(address)
    for parameter in address.partition("#")[0].partition("?")[2].split("&"):
        name, equals, value = parameter.partition("=")
        secret = value if equals else name  # a bare word may be a token
        yield from (secret, unquote(secret), unquote_plus(secret))


def parts_of_userinfo(url: str) -> Iterator[str]:
    """Yield the user and the password, also as a header has them."""
    userinfo, at, _host = re.split("[/?#]", url.partition("://")[2], maxsplit=1)[0].rpartition("@")
    if at:
        name, _, password = userinfo.partition(":")
        yield from _pair(name, password)
        yield from parts_of_header(basic_authorization(unquote(name), unquote(password)))


def parts_of_header(value: str) -> Iterator[str]:
    """Yield the token behind `Bearer`, the pair in `Basic`, and the values of `a=b; c=d`; else the whole."""
    scheme, _, credentials = value.partition(" ")
    credentials = credentials.strip()
    if not credentials or scheme.lower() not in _SCHEMES:
        yield value
    yield credentials
    for piece in (*re.split(r"[\s;,]+", value), *value.split(";")):
        yield piece.partition("=")[2].strip(' "')
    if scheme.lower() == "basic":
        yield credentials.rstrip("=")
        with suppress(ValueError):
            name, _, password = base64.b64decode(credentials).decode("utf-8", "replace").partition(":")
            yield from _pair(name, password)


def _pair(name: str, password: str) -> Iterator[str]:
    yield from (name, password, unquote(name), unquote(password))
    if max(len(name), len(password)) < MIN_SECRET_CHARS:
        yield f"{name}:{password}"
