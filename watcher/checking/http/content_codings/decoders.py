"""Decodes gzip, deflate, brotli and zstd; each step has bounded output, since bombs grow a thousandfold."""

from __future__ import annotations

import importlib
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# About the most that one decompression step may return: a chunk from the socket must not be inflated at once.
STEP_BYTES = 64 * 1024
# RFC 9659: a server may refer back at most 8 MB.
_ZSTD_WINDOW_LOG = 23
_GZIP_MAGIC = b"\x1f\x8b"


class BodyEncodingError(Exception):
    """The body is not in the encoding that its header claims."""


class Decoder(Protocol):
    """Decodes one coding."""

    @property
    def at_an_end(self) -> bool:
        """Whether the data is complete; true also before any data."""

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the decoded chunk, in steps.

        Raises:
            BodyEncodingError: it is broken.
        """


def decoder_for(coding: str) -> Decoder | None:
    """Create the decoder for a coding in lower case; None if it is unknown, or its library is not installed."""
    if coding in {"gzip", "x-gzip", "deflate"}:
        return _Inflater(may_be_raw=coding == "deflate")
    if coding == "br":
        brotli = _library("brotli")
        # Before 1.2, the output of a step has no bound.
        return _Brotli(brotli) if brotli is not None and hasattr(brotli.Decompressor, "can_accept_more_data") else None
    if coding == "zstd":
        zstd = _library("compression.zstd") or _library("backports.zstd")
        return None if zstd is None else _Zstd(zstd)
    return None


@cache
def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


class _Inflater:
    """Decodes gzip, of one member or several (RFC 1952, section 2.2), and zlib; the first bytes tell which.

    A `deflate` stream may also come without zlib's wrapping (RFC 9110, section 8.4.1.2): some servers send that.
    """

    def __init__(self, *, may_be_raw: bool) -> None:
        self._member = _new_member()
        self._may_be_raw = may_be_raw
        self._started = False
        self._held = b""  # after an end: possibly the first byte of the next member's magic

    @property
    def at_an_end(self) -> bool:
        return self._member.eof or not self._started

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        chunk = self._held + chunk
        self._held = b""
        self._started = True
        try:
            while chunk:
                if self._member.eof:
                    if chunk == _GZIP_MAGIC[:1]:
                        self._held = chunk
                        return
                    if not chunk.startswith(_GZIP_MAGIC):
                        return  # data after the end is ignored
                    self._member = _new_member()
                yield self._decompress(chunk)
                chunk = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        except zlib.error as error:
            raise BodyEncodingError(f"the compressed body is broken: {error}") from error

    def _decompress(self, chunk: bytes) -> bytes:
        may_be_raw, self._may_be_raw = self._may_be_raw, False
        try:
            return self._member.decompress(chunk, STEP_BYTES)
        except zlib.error:
            if not may_be_raw:
                raise
        self._member = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        return self._member.decompress(chunk, STEP_BYTES)


def _new_member() -> zlib._Decompress:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: gzip or zlib, by its header


class _Brotli:
    """Decodes brotli (RFC 7932)."""

    def __init__(self, brotli: Any) -> None:
        self._process: Callable[..., bytes] = (decompressor := brotli.Decompressor()).process
        self._decompressor = decompressor
        self._error: type[Exception] = brotli.error
        self._started = False

    @property
    def at_an_end(self) -> bool:
        return self._decompressor.is_finished() or not self._started

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        self._started = True
        if self._decompressor.is_finished():
            return
        try:
            piece = self._process(chunk, output_buffer_limit=STEP_BYTES)
            yield piece
            # After a full step more output may follow, even if the decompressor says that it accepts more input.
            while len(piece) >= STEP_BYTES or not self._decompressor.can_accept_more_data():
                piece = self._process(b"", output_buffer_limit=STEP_BYTES)
                yield piece
        except self._error as error:
            raise BodyEncodingError(f"the compressed body is broken: {error}") from error


class _Zstd:
    """Decodes zstd, of one frame or several (RFC 8878)."""

    def __init__(self, zstd: Any) -> None:
        self._new: Callable[[], Any] = lambda: zstd.ZstdDecompressor(
            options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
        )
        self._error: type[Exception] = zstd.ZstdError
        self._frame = self._new()
        self._started = False

    @property
    def at_an_end(self) -> bool:
        return self._frame.eof or not self._started

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        self._started = True
        try:
            while True:
                if self._frame.eof:
                    if not chunk:
                        return
                    self._frame = self._new()
                yield self._frame.decompress(chunk, STEP_BYTES)
                if self._frame.eof:
                    chunk = self._frame.unused_data
                elif self._frame.needs_input:
                    return
                else:
                    chunk = b""
        except self._error as error:
            raise BodyEncodingError(f"the compressed body is broken: {error}") from error
