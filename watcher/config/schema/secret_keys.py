"""Which keys of the configuration hold a secret, and which surely hold none."""

from __future__ import annotations

import difflib
import re
from functools import lru_cache

from watcher.config.schema.config_file import KNOWN_KEYS

# What stands under these, however deep, may be a secret.
SECRET_KEYS = frozenset({"headers", "body", "password", "credentials", "proxy_url", "url", "secret", "exec"})
HARMLESS_KEYS = frozenset(key for keys in KNOWN_KEYS.values() for key in keys) - SECRET_KEYS

# What a header of these names says may be shown.
SHOWN_HEADERS = frozenset(
    {
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "content-type",
        "host",
        "pragma",
    }
    | {"user-agent"}
)

_SECRET_WORDS = re.compile(r"pass|pwd|secret|token|cred|auth|cookie|key|private|sign|session", re.IGNORECASE)
_SECRET_HEADERS = re.compile(r"auth|cookie|token|secret|passw|api-?_?key|access-?_?key", re.IGNORECASE)
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SECRET_PARAMETERS = frozenset(
    {"token", "secret", "password", "passwd", "pass", "pwd", "key", "sig", "signature", "auth", "credential", "jwt"}
)
_SECRET_ENDS = ("token", "secret", "password", "apikey", "key")
# The same as in `did_you_mean`: what is hinted at is what the key is taken for.
_CUTOFF = 0.7


def looks_secret(key: str) -> bool:
    """Say whether a key is named as secrets are, as in `api_key`."""
    return _SECRET_WORDS.search(key) is not None


def is_secret_header(name: str) -> bool:
    """Say whether a header is one that carries a secret, as `Authorization`, `Cookie` and `X-Api-Key` do."""
    return _SECRET_HEADERS.search(name) is not None


def is_secret_parameter(name: str) -> bool:
    """Say whether a parameter of a query is named as tokens are, as in `access_token` and `apiKey`."""
    words = _WORDS.findall(name)
    return any(word.lower() in _SECRET_PARAMETERS for word in words) or name.lower().endswith(_SECRET_ENDS)


def harmless_key(key: str, within: str | None) -> str | None:
    """Say which key that surely holds no secret this one is, or was meant to be.

    Args:
        key: as written, as in `regx`.
        within: the key of the mapping that it stands in, None for the file: `header` is one thing in a list of patterns
            and another in an entry, where it was meant to be `headers`.

    Returns:
        the known key, as in `regex`; None for a key of secrets, one that may be meant for it, and one that nobody can
        tell.
    """
    if key in SECRET_KEYS:
        return None
    if key in KNOWN_KEYS.get(within, ()):
        return key
    return None if looks_secret(key) else _closest(key, within)


@lru_cache(maxsize=1000)
def _closest(key: str, within: str | None) -> str | None:
    close = difflib.get_close_matches(key, {*KNOWN_KEYS.get(within, ()), *SECRET_KEYS}, n=3, cutoff=_CUTOFF)
    return close[0] if close and not SECRET_KEYS.intersection(close) else None
