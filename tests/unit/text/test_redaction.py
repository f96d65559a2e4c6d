"""Addresses without their secrets: a password, a token or a query value is never shown."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from watcher.text.redaction import MASK, without_secrets

# Both ends are marked, so that a part of a secret is found as well.
MARK = "Zq7x"


def secrets_without(characters: str) -> st.SearchStrategy[str]:
    """Any text without some characters, between two marks."""
    telling = "".join(character for character in "@/?#:[]\\%=&;.5\t" if character not in characters)
    one = st.one_of(st.sampled_from(telling), st.characters(exclude_characters=characters))
    return st.text(one).map(lambda text: f"{MARK}{text}{MARK}")


SHOWN = {
    "https://example.com/": "https://example.com/",
    "https://example.com": "https://example.com",
    "https://example.com:8443/a/b": "https://example.com:8443/a/b",
    "https://example.com/@scope/package": "https://example.com/@scope/package",
    "https://user:pw@example.com/": "https://example.com/",
    "https://token@example.com:8443/": "https://example.com:8443/",
    "https://user:p@w@example.com/": "https://example.com/",
    "https://user:p%2Fw@example.com/a": "https://example.com/a",
    "https://example.com/?token=abc": "https://example.com/?token=***",
    "https://example.com/?a=1&b=2&c=": "https://example.com/?a=***&b=***&c=***",
    "https://example.com/?token=abc;def": "https://example.com/?token=***",
    "https://example.com/?token=abc==": "https://example.com/?token=***",
    "https://example.com/?abc": "https://example.com/?***",
    "https://example.com/?abc&page=1": "https://example.com/?***&page=***",
    "https://example.com/?a=1&&b=2": "https://example.com/?a=***&&b=***",
    "https://example.com/?mail=a@b.example": "https://example.com/?mail=***",
    "https://example.com/#token=abc": "https://example.com/",
    "https://example.com/#a@b": "https://example.com/",
    "http://[2001:db8::1]:8080/?t=1": "http://[2001:db8::1]:8080/?t=***",
    "http://user:pw@[2001:db8::1]/": "http://[2001:db8::1]/",
    # Malformed, but without userinfo: the user must recognise it in an error line.
    "": "",
    "nohost": "nohost",
    "http://example.com:99999/?t=1": "http://example.com:99999/?t=***",
    "http://a..b/": "http://a..b/",
    # An address in the path of another, as of an archive.
    "https://a.example/web/https://b.example/@user": "https://a.example/web/https://b.example/@user",
    "https://a.example/@x/https://b.example/": MASK,
    "https://a.example/https://u:pw@b.example/c": "https://a.example/https://b.example/c",
    "https://a.example/https://u:p/w@b.example/": f"https://a.example/{MASK}",
    "https://a.example/https://u:p@b/w@b.example/": f"https://a.example/{MASK}",
    "https://a.example/https://b.example/@c?t=x@y#z": "https://a.example/https://b.example/@c?t=***",
    "https://a.example/http://b/http://u:pw@c/": f"https://a.example/{MASK}",
    "https://u:pw@a.example/https://b.example/@user": MASK,
    "https://a.example/ftp://u:pw@b.example/": MASK,
    "https://user:/https://w@example.com/": MASK,
    "https://user:p/https://w@example.com/": MASK,
    # Malformed, so that the end of the userinfo is unclear.
    "http://[::1": MASK,
    "user:pw@example.com/": MASK,
    "https:/user:pw@example.com/": MASK,
    "https:///user:pw@example.com/": MASK,
    "https://user:p/w@example.com/": MASK,
    "https://user:p?w@example.com/": MASK,
    "https://user:p#w@example.com/": MASK,
    "https://user:0/w@example.com/": MASK,
    "https://user:p[w@example.com/": MASK,
    "https://user:p@/w@example.com/": MASK,
    "https://user:p@b/w@example.com/": MASK,
    "https://user:p@b?w=x@example.com/": MASK,
}


def test_an_address_is_shown_without_its_secrets() -> None:
    assert {address: without_secrets(address) for address in SHOWN} == SHOWN


@pytest.mark.parametrize(
    ("address", "without"),
    [
        ("https://user:{}@example.com/", ""),
        ("user:{}@example.com/", ""),
        ("http://u:{}@[::1]:80/a", ""),
        ("https://{}@example.com/", "/?#\\"),
        ("https://example.com/?token={}&a=1", "&"),
        ("https://example.com?a=1&token={}", "&"),
        ("?t={}", "&"),
        ("https://example.com/?{}", "&="),
        ("https://example.com/?a=1&{}", "&="),
        ("https://example.com/path#{}", ""),
    ],
)
@given(data=st.data())
def test_no_secret_is_shown_however_badly_it_is_written(address: str, without: str, data: st.DataObject) -> None:
    """A password, a user name, the value of a query, a bare word of one, and a fragment."""
    assert MARK not in without_secrets(address.format(data.draw(secrets_without(without))))


@given(st.text(st.characters()))
@example("\b\r0")
def test_no_text_is_too_malformed(text: str) -> None:
    shown = without_secrets(text)
    assert without_secrets(shown) == shown
