"""What a response has told so far, whoever reads it: the parser, or the lenient reader of chunks in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.checking.http.repair.heads import codings_in

if TYPE_CHECKING:
    import httptools

_WITHOUT_BODY = frozenset({204, 304})


class Reception:
    """What a parser has told of one response so far; interim ones are passed over.

    Attributes:
        parser: who tells; the caller parts the two when the response is done with.
        status_code, phrase, http_version, headers: of the head; names are in small letters.
        keeps_open: whether the head lets another request follow.
        codings: the transfer codings that the head names, in small letters.
        in_chunks, only_in_chunks: whether the head is followed by chunks, and says nothing else beside that.
        head_complete, complete: how far it has come.
        has_surplus: another response came, which nobody asked for.
        body_bytes: how long the body is so far.
        chunks: of the body, until they are taken.
    """

    __slots__ = (
        *("body_bytes", "chunks", "codings", "complete", "has_surplus", "head_complete", "headers", "http_version"),
        *("in_chunks", "keeps_open", "only_in_chunks", "parser", "phrase", "status_code"),
    )

    def __init__(self) -> None:
        """Wait for a response."""
        self.parser: httptools.HttpResponseParser | None = None
        self.begin()

    def begin(self) -> None:
        """Wait for another response from the same parser."""
        self.status_code = 0
        self.http_version = ""
        self.in_chunks = self.only_in_chunks = self.keeps_open = False
        self.has_surplus = False
        self.phrase = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.codings: list[bytes] = []
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
            self.codings = codings = codings_in(self.headers)
            if codings and status_code not in _WITHOUT_BODY:
                self.in_chunks, self.only_in_chunks = b"chunked" in codings, codings == [b"chunked"]
            if self.only_in_chunks:  # else it would take two bytes for a lone LF
                parser.set_dangerous_leniencies(lenient_headers=False, lenient_optional_cr_before_lf=False)

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
        return not self.in_chunks and all(name != b"content-length" for name, _ in self.headers)

    def forget_body(self) -> int:
        """Drop what came of the body, to be told of it again; return how much of it has been taken."""
        taken_bytes = self.body_bytes - sum(map(len, self.chunks))
        self.chunks.clear()
        self.body_bytes = 0
        return taken_bytes

    def skip(self, taken_bytes: int) -> None:
        """Drop what has been taken before, from the beginning of the body."""
        self.chunks = [b"".join(self.chunks)[taken_bytes:]]

    def take_chunks(self) -> list[bytes]:
        """Return the pieces of the body that nobody has taken yet."""
        chunks, self.chunks = self.chunks, []
        return chunks
