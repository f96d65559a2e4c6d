"""Derives from the schema (`Key.secret`) which keys hold secrets, and recognizes names of secrets."""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from watcher.config.schema.config_file import KNOWN_KEYS, SHAPES, all_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

_SECRET = frozenset(name for name, key in all_keys().items() if key.secret)
# Text in place of one of these mappings may be the secret itself; the keys in the mapping decide for themselves.
HOLDERS = _SECRET & SHAPES.keys()
# All values under these keys may be secrets.
SECRET_KEYS = _SECRET - HOLDERS
HARMLESS_KEYS = frozenset(key for keys in KNOWN_KEYS.values() for key in keys) - SECRET_KEYS

_SECRET_WORDS = re.compile(r"pass|pwd|secret|token|cred|auth|cookie|key|private|sign|session", re.IGNORECASE)
_SECRET_HEADERS = re.compile(r"auth|cookie|token|secret|passw|api-?_?key|access-?_?key", re.IGNORECASE)
# As a word, or at the end of a word: `keyword` does not match.
_SECRET_PARAMETERS = re.compile(
    r"(?<![a-z])(?:token|secret|password|passwd|pass|pwd|key|sig|signature|auth|credential|jwt)(?![a-z])"
    r"|(?:token|secret|password|key)\Z"
)
_HUMP = re.compile("(?<=[a-z])(?=[A-Z])")


def looks_secret(key: str) -> bool:
    """Return whether a key has the name of a secret, as in `api_key`."""
    return _SECRET_WORDS.search(key) is not None


def is_secret_header(name: str) -> bool:
    """Return whether a header carries a secret, as `Authorization`, `Cookie` and `X-Api-Key` do."""
    return _SECRET_HEADERS.search(name) is not None


def is_secret_parameter(name: str) -> bool:
    """Return whether a parameter of a query has the name of a token, as in `access_token` and `apiKey`."""
    return _SECRET_PARAMETERS.search(_HUMP.sub("_", name).lower()) is not None


def may_be_secret(path: Sequence[str | int]) -> bool:
    """Return whether the value at a path may be a secret, also one of the wrong kind."""
    keys = [step for step in path if isinstance(step, str)]
    return not SECRET_KEYS.isdisjoint(keys) or not HOLDERS.isdisjoint(keys[-1:])


def harmless_key(key: str, within: str | None) -> str | None:
    """Return the known key without secrets that a key is, or was meant to be.

    Args:
        key: the key as the user wrote it, such as `regx`.
        within: the key of the mapping around it; None for the file. `header` is known in a list of patterns; in an
            entry, `headers` was meant.

    Returns:
        the known key, such as `regex`; None for a key of secrets, for one that may be a misspelt key of secrets, and
        for one that is like no known key.
    """
    if key in SECRET_KEYS:
        return None
    if key in KNOWN_KEYS.get(within, ()):
        return key
    return None if looks_secret(key) else _closest(key, within)


@lru_cache(maxsize=1000)
def _closest(key: str, within: str | None) -> str | None:
    # The cutoff of `did_you_mean`, so that the key is taken for the one that the hint names.
    close = difflib.get_close_matches(key, {*KNOWN_KEYS.get(within, ()), *SECRET_KEYS}, n=3, cutoff=0.7)
    return close[0] if close and SECRET_KEYS.isdisjoint(close) else None
