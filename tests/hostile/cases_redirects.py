"""Redirects that lead nowhere, or to odd places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.hostile.case import Case
from tests.hostile.cases_bodies import exploding, gzip_bomb
from tests.hostile.servers import Peer, Request, at_once, by_path, forever, hang, response, saying
from watcher.model.target import Sending

if TYPE_CHECKING:
    from tests.hostile.servers import Behaviour, Step

FINAL = response(b"the final page")


def redirect(location: str, status: str = "302 Found", body: bytes = b"") -> bytes:
    """Write a redirect; non-ASCII characters in the location are sent as Latin-1."""
    return response(body, status, f"Location: {location}\r\n")


def leading_to(location: str, *, arriving: str = "/final", status: str = "302 Found") -> Behaviour:
    """Redirect `/` to a location, where HOST is this server, and answer with success at its path."""

    def answer(request: Request) -> Step:
        if request.path == arriving:
            return FINAL
        if request.path != "/":
            return response(f"nothing at {request.path}".encode(), "404 Not Found")
        return redirect(location.replace("HOST", request.host), status)

    return by_path(answer)


def _counting_down(request: Request) -> Step:
    left = int(request.path.rpartition("/")[2])
    return redirect(f"/{left - 1}") if left else FINAL


def _ping_pong(request: Request) -> Step:
    return redirect("/pong" if request.path == "/ping" else "/ping")


def _followed_by(*steps: Step) -> Behaviour:
    return by_path(lambda request: at_once(*steps) if request.path == "/" else FINAL)


async def _bomb_on_the_way(peer: Peer) -> None:
    bomb = exploding(gzip_bomb(), "gzip", "302 Found", "Location: /final\r\n")
    await _followed_by(bomb)(peer)


_ENDLESS = b"HTTP/1.1 302 Found\r\nLocation: /final\r\n\r\n"
_BROKEN = b"HTTP/1.1 302 Found\r\nLocation: /final\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
_FEW = b"HTTP/1.1 302 Found\r\nLocation: /final\r\nContent-Length: 100\r\n\r\nfew"

FOLLOWED = [
    Case("redirect to a path", leading_to("/final"), body_matches=b"final"),
    Case("redirect to a relative path", leading_to("final")),
    Case("redirect to the whole address", leading_to("http://HOST/final")),
    Case("redirect without a scheme", leading_to("//HOST/final")),
    Case("redirect with a slash too many", leading_to("///HOST/final")),
    Case("redirect with backslashes", leading_to("http:\\\\HOST\\final")),
    Case("redirect in Latin-1", leading_to("/\xe4", arriving="/%E4")),
    Case("redirect in capitals", leading_to("HTTP://HOST/final")),
    Case("redirect with a query", leading_to("?final", arriving="/?final")),
    Case("redirect with a fragment", leading_to("/final#here")),
    Case("redirect through dots", leading_to("/a/../final")),
    Case("redirect with spaces around", leading_to("  /final  ")),
    Case("redirect with a space inside", leading_to("/a b", arriving="/a%20b")),
    Case("redirect in UTF-8", leading_to("/ä".encode().decode("latin-1"), arriving="/%C3%A4")),
    Case("redirect to userinfo", leading_to("http://user:secret@HOST/final")),
    Case("redirect with an encoded CRLF", leading_to("/a%0d%0aX-Evil:1", arriving="/a%0d%0aX-Evil:1")),
    Case("redirect with 301", leading_to("/final", status="301 Moved Permanently")),
    Case("redirect with 303", leading_to("/final", status="303 See Other"), sending=Sending("POST", body=b"x")),
    Case("redirect with 307", leading_to("/final", status="307 Temporary Redirect")),
    Case("redirect with 308", leading_to("/final", status="308 Permanent Redirect")),
    Case("ten redirects", by_path(_counting_down), path="/10", body_matches=b"final"),
    Case("redirect with an endless body", _followed_by(_ENDLESS, forever(b"x" * 4096))),
    Case("redirect with a bomb", _bomb_on_the_way),
    Case("redirect with a body that does not come", _followed_by(_FEW, hang)),
    Case("redirect with a body cut off", _followed_by(_FEW)),
    Case("redirect with broken chunks", _followed_by(_BROKEN)),
]

NOT_FOLLOWED = [
    Case("redirects off", leading_to("/final"), "status", "302", 302, sending=Sending(follow_redirects=False)),
    Case("redirect without a location", saying(response(status="302 Found")), "status", "302", 302),
    Case("300 without a location", saying(response(status="300 Multiple Choices")), "status", "300", 300),
    Case("304 with a location", saying(redirect("/final", "304 Not Modified")), "status", "304", 304),
    Case("200 with a location", saying(redirect("/final", "200 OK"))),
]

LOST = [
    Case("redirect to itself", saying(redirect("/")), "redirect", "10 redirects"),
    Case("redirects in a circle", by_path(_ping_pong), "redirect", "10 redirects"),
    Case("eleven redirects", by_path(_counting_down), "redirect", "10 redirects", path="/11"),
    Case("redirect with an empty location", saying(redirect("")), "status", "302", 302),
    Case("redirect into silence", by_path(lambda request: redirect("/x") if request.path == "/" else hang), "timeout"),
    Case("redirect to a port where nobody is", saying(redirect("http://127.0.0.1:1/")), "connect", "refused"),
    Case("redirect to a name that does not exist", saying(redirect("http://no-such-name.invalid/")), "dns"),
    Case("redirect to Punycode of nothing", saying(redirect("http://xn--999999999.invalid/")), "dns"),
    Case("redirect to plain text on a port of TLS", leading_to("https://HOST/final"), "tls", "does not speak TLS"),
    *(
        Case(f"redirect to {title}", saying(redirect(location)), "dns" if "backslash" in title else "redirect")
        for title, location in {
            "ftp": "ftp://127.0.0.1/x",
            "a file": "file:///etc/passwd",
            "JavaScript": "javascript:alert(1)",
            "data": "data:text/html,hello",
            "a scheme of nobody": "x-unheard-of://127.0.0.1/",
            "an empty host": "http://",
            "two dots": "http://a..b/",
            "a dot alone": "http://./",
            "a label that is too long": f"http://{'a' * 64}.invalid/",
            "a name that is too long": f"http://{'a.' * 130}invalid/",
            "broken Punycode": "http://xn--a\xe4.invalid/",
            "a host with a space": "http://127.0.0.1 .invalid/",
            "a host with a percent sign": "http://a%00b.invalid/",
            "a host with a backslash": "http://a\\b.invalid/",
            "port 99999": "http://127.0.0.1:99999/",
            "port 0": "http://127.0.0.1:0/",
            "a negative port": "http://127.0.0.1:-1/",
            "a port of letters": "http://127.0.0.1:http/",
            "half a bracket": "http://[::1/",
            "brackets around no address": "http://[nonsense]/",
        }.items()
    ),
    Case("redirect to a location with CR", saying(redirect("/a\rb")), "protocol"),
    Case("redirect to a location with NUL", saying(redirect("/a\0b")), "protocol"),
    Case("redirect to a location of 200 KB", saying(redirect("/" + "a" * 200_000)), "protocol"),
]

CASES = [*FOLLOWED, *NOT_FOLLOWED, *LOST]
