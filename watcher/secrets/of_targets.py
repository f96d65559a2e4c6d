"""What a target is sent that nobody else may read, taken out of what a site sends back: pure functions."""

from __future__ import annotations

import base64
import html
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, unquote_plus, urlsplit

from watcher.model.headers import HARMLESS_HEADERS, HEADERS_OF_A_BODY
from watcher.model.target import basic_authorization
from watcher.text.escaping import one_line
from watcher.text.redaction import MASK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from watcher.model.target import Sending, Target

# What is shorter stands in every text, as the `1` of `?page=1` does: to mask it would leave nothing to read and give
# its places away besides; and a secret of three characters is none.
MIN_SECRET_CHARS = 4

# The end of a text that was cut, behind which a secret may have gone on.
CUT = "…"

# What every page tells, how a body is written, and what would be a hole in every address.
_NO_SECRETS = (
    HARMLESS_HEADERS
    | HEADERS_OF_A_BODY
    | {"accept-charset", "host", "if-modified-since", "origin", "pragma", "range", "x-requested-with"}
    | {"x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto"}
)

# What is masked as it is written, and is written in one way only.
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")
# What is left as it is by those who encode an address: nothing, JavaScript, paths, and httpx.
_LEFT_ALONE = ("", "!'()*", "/", "!$%&'()*+,/:;=?@[\\]^`{|}")
# Of base64, only addresses and some writers of JSON write anything in another way.
_BASE64 = re.compile(r"[A-Za-z0-9._~+/=-]+")

# What stands before a secret in a header.
_SCHEMES = frozenset({"", "basic", "bearer", "digest", "token"})


def secrets_of(target: Target) -> tuple[str, ...]:
    """List what a site could send back of what only its owner and this monitor should know.

    Args:
        target: of which userinfo and query of the address, the authorization, the headers that are not harmless and
            the userinfo of the proxy are secrets; the body that is sent is not.

    Returns:
        each secret of `MIN_SECRET_CHARS` or more, in all the ways in which sites write it.
    """
    return _secrets_of(target.address, target.sending, target.connecting.proxy_url)


def fewest_secrets_of(target: Target) -> Iterator[str]:
    """List what must be masked for no secret to be left: `secrets_of` without what consists of others, uncached.

    Args:
        target: as for `secrets_of`.

    Returns:
        two or three for a target with a password, where `secrets_of` has fifteen: fit for 100,000 targets.
    """
    has_secrets = target.sending.authorization or target.sending.headers or target.connecting.proxy_url
    if not has_secrets and "@" not in target.address and "?" not in target.address:
        return
    found = _found(target.address, target.sending, target.connecting.proxy_url)
    long_enough = dict.fromkeys(secret for secret in found if len(secret) >= MIN_SECRET_CHARS)
    for secret in long_enough:
        rest = secret
        for other in long_enough:
            if other != secret:
                rest = rest.replace(other, "")
        if rest == secret or (len(rest := rest.strip(' :=;,"')) >= MIN_SECRET_CHARS and rest.lower() not in _SCHEMES):
            yield from ways_to_write(secret)


def ways_to_write(secret: str) -> tuple[str, ...]:
    """List the ways in which sites and libraries write a secret; none for what is too short to be masked."""
    if len(secret) < MIN_SECRET_CHARS:
        return ()
    return tuple(dict.fromkeys(form for form in _written(secret) if len(form) >= MIN_SECRET_CHARS))


def masked(text: str, secrets: Sequence[str]) -> str:
    """Put `***` in the place of every secret.

    Args:
        text: any text.
        secrets: from `secrets_of`.

    Returns:
        a text that is not longer, in which no secret stands, nor the start of one before the ellipsis of a cut.
    """
    while spans := spans_of(text, secrets):
        text = without_spans(text, spans, len(text))  # again, since what is left may come together to a secret
    return text


def masked_line(text: str, secrets: Sequence[str], limit_chars: int) -> str:
    """Mask every secret, escape what could break a line, and cut what is too long; see `masked` and `one_line`."""
    safe = one_line(masked(text, secrets), limit_chars)
    return safe if safe == text else masked(safe, secrets)


def spans_of(text: str, secrets: Sequence[str]) -> list[tuple[int, int]]:
    """Find the secrets of a text.

    Returns:
        begin and end of each place, in their order; where secrets touch, they are one place.
    """
    return joined_spans(span for secret in secrets for span in _places_of(text, secret))


def joined_spans(found: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sort places of a text, and make one of those that touch."""
    spans: list[tuple[int, int]] = []
    for begin, end in sorted(found):
        if spans and begin <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(end, spans[-1][1])
        else:
            spans.append((begin, end))
    return spans


def without_spans(text: str, spans: Iterable[tuple[int, int]], end: int) -> str:
    """Return the text up to an end, with `***` for each of its spans, also for one that goes on behind the end."""
    pieces, position = [], 0
    for begin, span_end in spans:
        if begin >= end:
            break
        pieces += [text[position:begin], MASK]
        position = span_end
    return "".join([*pieces, text[position : max(end, position)]])


def _places_of(text: str, secret: str) -> Iterator[tuple[int, int]]:
    # The first characters are looked for, since before a cut there may be no more of it.
    first, cut = secret[:MIN_SECRET_CHARS], text.find(CUT)
    begin = text.find(first)
    while begin >= 0:
        while 0 <= cut < begin + len(first):
            cut = text.find(CUT, cut + 1)
        if text.startswith(secret, begin):
            yield begin, begin + len(secret)
        elif 0 < cut < begin + len(secret) and secret.startswith(text[begin:cut]):
            yield begin, cut
        begin = text.find(first, begin + 1)


@lru_cache(1024)
def _secrets_of(address: str, sending: Sending, proxy_url: str | None) -> tuple[str, ...]:
    found = _found(address, sending, proxy_url)
    return tuple(dict.fromkeys(form for secret in found for form in ways_to_write(secret)))


def _found(address: str, sending: Sending, proxy_url: str | None) -> list[str]:
    found = [*parts_of_address(address), *(parts_of_userinfo(proxy_url) if proxy_url else ())]
    if sending.authorization is not None:
        found += parts_of_header(sending.authorization)
    for name, value in sending.headers:
        if name.lower() not in _NO_SECRETS:
            found += parts_of_header(value)
    return found


def parts_of_address(address: str) -> Iterator[str]:
    """Take what may be a secret out of an address: userinfo, and the values of the query."""
    yield from parts_of_userinfo(address)
    for parameter in urlsplit(address).query.split("&"):
        name, equals, value = parameter.partition("=")
        secret = value if equals else name  # a bare word may be a token
        yield from (secret, unquote(secret), unquote_plus(secret))


def parts_of_userinfo(url: str) -> Iterator[str]:
    """Take out userinfo, whole and in its parts, also as a header has it."""
    userinfo, at, _host = urlsplit(url).netloc.rpartition("@")
    if at:
        name, _, password = userinfo.partition(":")
        yield from (userinfo, name, password, unquote(name), unquote(password))
        yield from parts_of_header(basic_authorization(unquote(name), unquote(password)))


def parts_of_header(value: str) -> Iterator[str]:
    """Take a value apart: `Basic` and its base64, `Bearer` and its token, `a=b; c=d` of cookies and signatures."""
    yield value
    scheme, _, credentials = value.partition(" ")
    yield credentials.strip()
    if scheme.lower() == "basic":
        yield from _of_basic(credentials.strip())
    for piece in (*re.split(r"[\s;,]+", value), *value.split(";")):
        yield piece.partition("=")[2].strip(' "')


def _of_basic(credentials: str) -> Iterator[str]:
    yield credentials.rstrip("=")
    try:
        decoded = base64.b64decode(credentials).decode("utf-8", "replace")
    except ValueError:
        return
    name, _, password = decoded.partition(":")
    yield from (decoded, name, password)


def _written(secret: str) -> Iterator[str]:
    """Write a secret in the ways of addresses, HTML, JSON and logs, and in those that mistake its encoding."""
    yield secret
    if _PLAIN.fullmatch(secret):
        return
    if _BASE64.fullmatch(secret):
        for encoded in (quote(secret, safe=""), quote(secret)):
            yield from (encoded, encoded.replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d"))
        yield secret.replace("/", "\\/")
        return
    for left_alone in _LEFT_ALONE:
        encoded = quote(secret, safe=left_alone, errors="replace")
        yield from (encoded, encoded.replace("%20", "+"))
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), encoded)
    for text in (html.escape(secret), html.escape(secret, quote=False)):
        yield from (text, text.replace("&#x27;", "&#39;"), text.replace("&#x27;", "&#039;"))
    for text in (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
        yield from (text, text.replace("/", "\\/"), one_line(text, limit_chars=12 * len(text)))
        yield text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    yield one_line(secret, limit_chars=12 * len(secret))
    # Python's, and that in a text with both quotes.
    yield from (repr(secret)[1:-1], repr(secret + "'\"")[1:-4])
    if not secret.isascii():
        utf_8 = secret.encode("utf-8", "replace")
        yield from (utf_8.decode(charset, "replace") for charset in ("latin-1", "cp1252", "ascii"))
        for charset in ("latin-1", "ascii"):
            yield secret.encode(charset, "replace").decode("utf-8", "replace")
