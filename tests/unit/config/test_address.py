"""Addresses: accepted ones can be requested, refused ones name the reason, and any malformed text gets a verdict."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.quickly import quickly
from watcher.checking.http.redirects import authority_of, url_of
from watcher.config.targets.address import MAX_ADDRESS_CHARS, complaint_about

GOOD = [
    "https://example.com/",
    "http://example.com",
    "HTTPS://EXAMPLE.COM/",
    "http://example.com.:8080/a?b=c#d",
    "http://localhost:1",
    "http://localhost:65535",
    "http://localhost:/",
    "http://user:p%2Fw@example.com/",
    "http://user@example.com/",
    "http://127.0.0.1/",
    "http://[::1]/",
    "http://user:pw@[2001:DB8::1]:8443/",
    "http://[fe80::1%25eth0]/",
    "http://under_score.example/",
    "http://0x7f.1/",
    "http://xn--nxasmq6b.example/",
    "http://bücher.example/",
    "http://例え.テスト/パス?クエリ=値",
    "http://faß.de/",
    "http://" + "a" * 63 + ".example/",
    "http://example.com/%zz",
    'http://example.com/{}|^`"<>\\',
    "http://example.com/" + "a" * (MAX_ADDRESS_CHARS - 19),
    "http://☃.example/",
    "http://xn--n3h.example/",
    "http://xn--a/",
    "http://\uff45xample.com/",
    "http://ΣΑΣ.example/",
]


@pytest.mark.parametrize(
    ("host", "in_ascii"),
    [
        ("☃.example", "xn--n3h.example"),  # which IDNA 2008 does not allow, but browsers do
        ("XN--N3H.example", "xn--n3h.example"),
        ("xn--a", "xn--a"),
        ("ΣΑΣ.example", "xn--mxa9ab.example"),  # not the sigma at the end of a word
        ("faß.de", "xn--fa-hia.de"),
        ("\uff45xample\u3002com", "example.com"),
    ],
)
def test_names_in_all_scripts_go_out_as_browsers_send_them(host: str, in_ascii: str) -> None:
    assert authority_of(url_of(f"http://{host}/")) == in_ascii.encode()


@pytest.mark.parametrize(
    ("address", "authority", "path"),
    [
        ("http://h/foo/..", b"h", b"/"),
        ("http://h/a/foo/..", b"h", b"/a/"),
        ("http://h/a/./b/%2e", b"h", b"/a/b/"),
        ("http://h/a/../../b", b"h", b"/b"),
        ("http://h?", b"h", b"/?"),
        ("http://h/ä?ö=%zz", b"h", b"/%C3%A4?%C3%B6=%zz"),
        ("http://u:p@h:80/x//y", b"h", b"/x//y"),
        ("http://[FE80::1%25Eth0]:8080/", b"[fe80::1]:8080", b"/"),
        ("http://[fe80::1%lo]/", b"[fe80::1]", b"/"),
    ],
)
def test_requested_addresses(address: str, authority: bytes, path: bytes) -> None:
    url = url_of(address)
    assert (authority_of(url), url.raw_path) == (authority, path)


def test_a_good_address_is_accepted() -> None:
    assert [address for address in GOOD if complaint_about(address) is not None] == []
    assert all(url_of(address).host for address in GOOD)


COMPLAINTS = {
    "": "is empty; write a URL, as in https://example.com/",
    "nohost": "is not an http or https URL; write it as in https://example.com/",
    "example.com:80": "is not an http or https URL; write it as in https://example.com/",
    "ftp://x/": "is not an http or https URL; write it as in https://example.com/",
    "//example.com/": "is not an http or https URL; write it as in https://example.com/",
    "http://": "has no host; write it as in https://example.com/",
    "http:///path": "has no host; write it as in https://example.com/",
    "http:/example.com/": "has no host; write it as in https://example.com/",
    "http://:80/": "has no host; write it as in https://example.com/",
    "http://user@/": "has no host; write it as in https://example.com/",
    "http://exa mple.com/": "has a space or an unprintable character; percent-encode it, as in %20",
    "http://example.com/a b": "has a space or an unprintable character; percent-encode it, as in %20",
    "http://example.com/\r\nHost: x": "has a space or an unprintable character; percent-encode it, as in %20",
    "http://example.com/\u202e": "has a space or an unprintable character; percent-encode it, as in %20",
    "http://example.com/\udcff": "has a space or an unprintable character; percent-encode it, as in %20",
    "http://example.com\\@evil.example/": "has a backslash in its host; write it as in https://example.com/",
    "http://a..b/": "has an empty part in its host 'a..b'; remove the extra dot",
    "http://.example/": "has an empty part in its host '.example'; remove the extra dot",
    "http://./": "has an empty part in its host '.'; remove the extra dot",
    "http://[::1": "is not a URL; write one as in https://example.com:8443/",
    "x" * (MAX_ADDRESS_CHARS + 1): "has 8001 characters; 8000 is the limit",
}


def test_a_bad_address_is_refused_with_the_reason() -> None:
    assert {address: complaint_about(address) for address in COMPLAINTS} == COMPLAINTS


@pytest.mark.parametrize(
    "port", ["0", "00", "65536", "99999", "-1", "+80", "http", "8 0", "80:80", "\uff18\uff10", "9" * 5000]
)
def test_a_bad_port_is_refused(port: str) -> None:
    complaint = complaint_about(f"http://example.com:{port}/")
    assert complaint is not None
    assert "port" in complaint or "space" in complaint


@pytest.mark.parametrize(
    "host", ["[::1]x", "[::1]x:80", "x[::1]", "[1.2.3.4]", "[v1.a]", "[example.com]", "[]", "[::1%é]", "[[::1]]"]
)
def test_brackets_are_for_ipv6_only(host: str) -> None:
    complaint = complaint_about(f"http://{host}/")
    assert complaint is not None
    assert "brackets" in complaint or "not a URL" in complaint


NO_NAMES = [
    "256.1.1.1",
    "01.02.03.04",
    "ex%61mple.com",
    "ex'ample.com",
    "*.example.com",
    "a,b",
    "\u0661\u0662",
    "a\u3002\u3002b",
]


def test_an_invalid_domain_name_is_refused_and_quoted() -> None:
    complaints = {host: complaint_about(f"http://{host}/") or "" for host in NO_NAMES}
    wrong = {
        host: said for host, said in complaints.items() if not said.startswith(f"has the host {host!r}, which is not a")
    }
    assert wrong == {}


@pytest.mark.parametrize("host", ["a" * 64, "a." * 127 + "aa", "é" * 60])
def test_a_host_that_dns_cannot_hold_is_refused(host: str) -> None:
    complaint = complaint_about(f"http://{host}/")
    assert complaint is not None
    assert "too long" in complaint


@pytest.mark.parametrize("host", ["é" * 7000, "é." * 3500, "xn--" + "a" * 7000, "a." * 3500, "1" * 7000])
def test_a_huge_host_is_judged_at_once(host: str) -> None:
    assert quickly(lambda: complaint_about(f"http://{host}/"), 0.5) is not None


@pytest.mark.parametrize(
    "address",
    [
        "https://user:hunter2/x@example.com/",
        "https://user:hunter2'x/x@example.com/",
        "https://user:hunter2?x@example.com/",
        "https://user:[hunter2@example.com/",
        "https://user:\u2100hunter2@example.com/",  # NFKC turns it into `a/c`, which urllib refuses
        "user:hunter2@example.com",
        "https://user:hunter2@exa mple.com/",
        "https://user:hunter2@a..b/",
    ],
)
def test_a_complaint_quotes_no_password(address: str) -> None:
    complaint = complaint_about(address)
    assert complaint is not None
    assert "hunter2" not in complaint


labels = st.one_of(
    st.sampled_from(
        ["xn--nxasmq6b", "XN--P1AI", "a_b", "-a", "a-", "ß", "日本", "l·l", "İ", "0x7f", "127", "256", "ab--c"]
    ),
    st.text(st.characters(categories=["L", "N", "M", "Pd", "Cf"]), min_size=1, max_size=4),
)
hosts = st.one_of(
    st.lists(labels, min_size=1, max_size=5).map(".".join),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map("[{}]".format),
    st.text(":.0123456789abcdef%é[]", max_size=12).map("[{}]".format),
    st.text(max_size=8),
)
ports = st.one_of(st.just(""), st.integers(0, 70_000).map(":{}".format), st.text("0123456789٣:", max_size=8))
users = st.one_of(st.just(""), st.text(max_size=8).map("{}@".format))
rests = st.builds("{}{}".format, st.sampled_from(["", "/", "?", "#", "./", "\\"]), st.text(max_size=12))
addresses = st.builds("{}://{}{}{}{}".format, st.sampled_from(["http", "https", "HTTP"]), users, hosts, ports, rests)


@given(addresses)
def test_whatever_is_accepted_can_be_asked_for(address: str) -> None:
    if complaint_about(address) is None:
        assert authority_of(url_of(address))
        assert 0 < len(url_of(address).host) <= 254


@given(st.one_of(addresses, st.text(st.characters())))
def test_no_text_is_too_malformed_to_judge(address: str) -> None:
    complaint = complaint_about(address)
    assert complaint is None or complaint.startswith(("is ", "has "))
