"""The state of one response while the parser, or the lenient reader of chunks in its place, reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.checking.http.repair.heads import codings_in

if TYPE_CHECKING:
    import httptools

_WITHOUT_BODY = frozenset({204, 304})


class Reception:
    """What a parser has reported of one response so far; interim responses are skipped.

    Attributes:
        parser: the parser; the caller separates the two after the response.
        status_code, phrase, http_version, headers: of the head; names are in lower case.
        keeps_open: whether the head allows another request.
        codings: the transfer codings of the head, in lower case.
        in_chunks, only_in_chunks: whether the body is chunked, and whether that is its only transfer coding.
        head_complete, complete: whether the head, and the response, are complete.
        has_surplus: another response came without a request.
        body_bytes: the size of the body so far.
        chunks: pieces of the body, until they are taken.
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
        """Wait for the next response of the same parser."""
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
        """Start a response; called by the parser, like all methods below."""
        self.has_surplus = self.complete

    def on_status(self, phrase: bytes) -> None:
        """Add a piece of the reason phrase."""
        if not self.complete:
            self.phrase += phrase

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header."""
        if not self.head_complete:  # trailers are ignored
            self.headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        """End the head."""
        parser = self.parser
        assert parser is not None
        if not self.complete and (status_code := parser.get_status_code()) >= 200:
            # Read now, since the parser forgets it at the end of the body.
            self.head_complete = True
            self.status_code = status_code
            self.http_version = parser.get_http_version()
            self.keeps_open = bool(parser.should_keep_alive())
            self.codings = codings = codings_in(self.headers)
            if codings and status_code not in _WITHOUT_BODY:
                self.in_chunks, self.only_in_chunks = b"chunked" in codings, codings == [b"chunked"]
            if self.only_in_chunks:  # otherwise it would read two bytes as a lone LF
                parser.set_dangerous_leniencies(lenient_headers=False, lenient_optional_cr_before_lf=False)

    def on_body(self, data: bytes) -> None:
        """Add a piece of the body."""
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
        """Whether only the end of the connection marks the end of the body (RFC 9112, section 6.3)."""
        return not self.in_chunks and all(name != b"content-length" for name, _ in self.headers)

    def forget_body(self) -> int:
        """Drop the body to read it again; return how many bytes of it have been taken."""
        taken_bytes = self.body_bytes - sum(map(len, self.chunks))
        self.chunks.clear()
        self.body_bytes = 0
        return taken_bytes

    def skip(self, taken_bytes: int) -> None:
        """Drop the start of the body, which has been taken before."""
        self.chunks = [b"".join(self.chunks)[taken_bytes:]]

    def take_chunks(self) -> list[bytes]:
        """Return the pieces of the body that have not been taken yet."""
        chunks, self.chunks = self.chunks, []
        return chunks
