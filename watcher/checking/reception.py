"""What the parser of HTTP/1.1 tells, kept as a response."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httptools


class Reception:
    """What a parser has told of one response so far; interim ones are passed over.

    Attributes:
        parser: who tells; the caller parts the two when the response is done with.
        status_code, phrase, http_version, headers: of the head; names are in small letters.
        keeps_open: whether the head lets another request follow.
        head_complete, complete: how far it has come.
        has_surplus: another response came, which nobody asked for.
        body_bytes: how long the body is so far.
        chunks: of the body, until they are taken.
    """

    __slots__ = (
        *("body_bytes", "chunks", "complete", "has_surplus", "head_complete", "headers", "http_version", "keeps_open"),
        *("parser", "phrase", "status_code"),
    )

    def __init__(self) -> None:
        """Begin with nothing."""
        self.parser: httptools.HttpResponseParser | None = None
        self.status_code = 0
        self.http_version = ""
        self.keeps_open = False
        self.has_surplus = False
        self.phrase = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.head_complete = False
        self.complete = False
        self.chunks: list[bytes] = []
        self.body_bytes = 0

    def on_message_begin(self) -> None:
        """Begin with a response; called by the parser, like all below."""
        self.has_surplus = self.complete

    def on_status(self, phrase: bytes) -> None:
        """Take a piece of the reason phrase."""
        if not self.complete:
            self.phrase += phrase

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        if not self.head_complete:  # trailers are of no interest
            self.headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        """End the head."""
        parser = self.parser
        assert parser is not None
        if not self.complete and (status_code := parser.get_status_code()) >= 200:
            # Now, since the parser forgets all of it with the end of the body.
            self.head_complete = True
            self.status_code = status_code
            self.http_version = parser.get_http_version()
            self.keeps_open = bool(parser.should_keep_alive())

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        if not self.complete:
            self.chunks.append(data)
            self.body_bytes += len(data)

    def on_message_complete(self) -> None:
        """End the response."""
        if self.head_complete:
            self.complete = True
        else:  # an interim response (RFC 9110, section 15.2)
            self.phrase = b""
            self.headers.clear()

    @property
    def ends_with_connection(self) -> bool:
        """Whether nothing but the end of the connection tells the end of the body (RFC 9112, section 6.3)."""
        names = [name for name, _ in self.headers]
        return b"content-length" not in names and b"transfer-encoding" not in names

    def take_chunks(self) -> list[bytes]:
        """Return the pieces of the body that nobody has taken yet."""
        chunks, self.chunks = self.chunks, []
        return chunks
