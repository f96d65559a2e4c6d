"""Known values are masked exactly, in all ways in which sites and libraries write them."""

import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from watcher.secrets.masking import forms_of, masked

# Both ends are marked, so that a part of a secret is found as well.
MARK = "Zq7x"


def with_upper_escapes(text: str, also: str) -> str:
    """Write JSON as Java and .NET do, which escapes further characters."""
    escaped = (f"\\u{ord(one):04x}" if one in also else json.dumps(one)[1:-1] for one in text)
    return "".join(one.upper().replace("\\U", "\\u") if one.startswith("\\u") else one for one in escaped)


WAYS: list[Callable[[str], str]] = [
    str,
    repr,
    json.dumps,
    lambda text: json.dumps(text, ensure_ascii=False),
    lambda text: json.dumps(text).replace("/", "\\/"),
    lambda text: json.dumps(text).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"),
    lambda text: with_upper_escapes(text, ""),
    lambda text: with_upper_escapes(text, "\"&'+<>`"),
    html.escape,
    lambda text: html.escape(text, quote=False),
    lambda text: html.escape(text).replace("&#x27;", "&#39;"),
    quote,
    lambda text: quote(text, safe=""),
    lambda text: re.sub("%..", lambda escape: escape[0].lower(), quote(text, safe="")),
    lambda text: quote(text).replace("%20", "+"),
    lambda text: httpx.URL("https://a.example/", params={"token": text}).query.decode(),
    lambda text: text.encode().decode("latin-1"),
    lambda text: text.encode("latin-1", "replace").decode("utf-8", "replace"),
    lambda text: text.encode("ascii", "replace").decode(),
]


@given(
    st.text(st.one_of(st.sampled_from("&<\"'>/\\ 9ä+=%"), st.characters(exclude_categories=("Cs", "Cc"))), max_size=20)
)
@example("a+/=")
@example("p&<ä\">/'\\ 9")
def test_a_secret_is_known_however_it_is_written(text: str) -> None:
    secret = f"{MARK}{text}{MARK}"
    forms = forms_of([secret])
    for way in WAYS:
        assert MARK not in masked(f"<{way(secret)}>", forms), way(secret)


@pytest.mark.parametrize(
    ("secrets", "text", "shown"),
    [
        (["abcdef", "defghi"], "<abcdefghi> <abcdefdefghi>", "<***> <***>"),
        (["0***", "aaaa"], "<0aaaa>", "<***>"),  # the remaining text forms a secret
        (["abc", "hunter2"], "abc hunter hunter2", "abc hunter ***"),
        (["hunter2"], "hunter2hunter2 hunthunter2er2", "*** hunt***er2"),
        (["hunter2"], 'is "hunte…, not "ok"', 'is "***…, not "ok"'),
        (["abcd" * 1000], ("abcd" * 999 + "…") * 4, "***…" * 4),
    ],
    ids=["overlapping", "joined", "short", "inside", "cut", "slow"],
)
def test_values_are_masked_exactly(secrets: list[str], text: str, shown: str) -> None:
    assert masked(text, forms_of(secrets)) == shown
