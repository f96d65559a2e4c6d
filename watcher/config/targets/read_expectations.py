"""Reads the expected response of a target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jmespath
from jmespath.exceptions import IncompleteExpressionError, JMESPathError, LexerError, ParseError

from watcher.config.mistakes import shown
from watcher.config.schema.expectation_keys import ExpectedOptions
from watcher.config.schema.limits import MAX_BODY_LIMIT_BYTES, MAX_JSON_PATH_CHARS
from watcher.model.target import DEFAULT_BODY_LIMIT_BYTES, Expectations, HeaderPattern, JsonExpectation
from watcher.text.redaction import quotable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.config.mistakes import Complain
    from watcher.config.schema.config_file import Options
    from watcher.config.schema.expectation_keys import HeaderMatch
    from watcher.config.targets.patterns import Patterns

_SPECIFICATION = "https://jmespath.org/specification.html"
# The length of the quoted piece of a bad path.
_PIECE_CHARS = 20

_BODY_KEYS = ("regex", "fail_if_body_matches_regexp", "fail_if_body_not_matches_regexp", "json")
# With `method`, since a response to HEAD does not have a body to check.
EXPECTED_KEYS = (*ExpectedOptions.__annotations__, "method")


def read_expectations(values: Options, complain: Complain, patterns: Patterns) -> Expectations:
    """Read the expected response.

    Args:
        values: an entry merged with the defaults.
        complain: records a mistake.
        patterns: compiles the regular expressions.
    """
    reader = _Reader(values, complain, patterns)
    codes, limit_bytes = values.get("valid_status_codes"), values.get("body_size_limit")
    if limit_bytes is not None and not 0 < limit_bytes <= MAX_BODY_LIMIT_BYTES:
        text = f"{shown(limit_bytes)} is not from 1 to {MAX_BODY_LIMIT_BYTES}; write how many bytes a body may have"
        complain(("body_size_limit",), text)
    if (values.get("method") or "").upper() == "HEAD":
        for key in _BODY_KEYS:
            if values.get(key):
                complain(
                    (key,),
                    "checks the body, but a response to HEAD does not have one; write `method: GET`, or remove this",
                )
    return Expectations(
        status_codes=tuple(codes) if codes else Expectations().status_codes,
        body_matches=(*reader.regex(), *reader.body("fail_if_body_not_matches_regexp")),
        body_lacks=reader.body("fail_if_body_matches_regexp"),
        headers_match=reader.headers("fail_if_header_not_matches"),
        headers_lack=reader.headers("fail_if_header_matches"),
        json=reader.json(),
        body_limit_bytes=DEFAULT_BODY_LIMIT_BYTES if limit_bytes is None else limit_bytes,
        degraded_after_seconds=reader.above_zero("degraded_after", "1.5"),
        cert_expiry_days=reader.above_zero("cert_expiry_days", "14"),
    )


class _Reader:
    def __init__(self, values: Options, complain: Complain, patterns: Patterns) -> None:
        self._values: Any = values
        self._complain = complain
        self._patterns = patterns

    def regex(self) -> tuple[Any, ...]:
        regex = self._values.get("regex")
        return () if regex is None else self._compiled(("regex",), regex)

    def body(self, key: str) -> tuple[Any, ...]:
        texts: Sequence[str] = self._values.get(key) or ()
        return tuple(found for index, text in enumerate(texts) for found in self._compiled((key, index), text))

    def headers(self, key: str) -> tuple[HeaderPattern, ...]:
        entries: Sequence[HeaderMatch] = self._values.get(key) or ()
        return tuple(
            HeaderPattern(entry["header"], pattern, allow_missing=entry.get("allow_missing") is True)
            for index, entry in enumerate(entries)
            for pattern in self._compiled((key, index, "regexp"), entry["regexp"])
        )

    def json(self) -> tuple[JsonExpectation, ...]:
        expectations = []
        for index, entry in enumerate(self._values.get("json") or ()):
            path = entry["path"]
            if len(path) > MAX_JSON_PATH_CHARS:
                self._complain(("json", index, "path"), f"has more than {MAX_JSON_PATH_CHARS} characters; shorten it")
                continue
            try:
                expectations.append(JsonExpectation(path, jmespath.compile(path), entry["equals"]))
            except (JMESPathError, RecursionError) as error:
                text = f"{shown(path)} is not a JMESPath expression: {_reason(error, path)}; {_SPECIFICATION}"
                self._complain(("json", index, "path"), text)
        return tuple(expectations)

    def above_zero(self, key: str, example: str) -> float | None:
        number: float | None = self._values.get(key)
        if number is not None and not 0 < number < float("inf"):
            self._complain((key,), f"{number:g} is not a finite number above zero; write one, as in {example}")
        return number

    def _compiled(self, path: tuple[str | int, ...], text: str) -> tuple[Any, ...]:
        try:
            return (self._patterns.compiled(text),)
        except ValueError as error:
            self._complain(path, str(error))
            return ()


def _reason(error: Exception, path: str) -> str:
    """Return the problem with a path; JMESPath's own message may quote a secret, so it is used only without quotes."""
    if isinstance(error, LexerError):
        at = error.lexer_position
    elif isinstance(error, ParseError) and not isinstance(error, IncompleteExpressionError):
        at = error.lex_position
    else:
        return str(error).partition("\n")[0].rstrip(":") or "it is nested too deep"
    piece = shown(path[at : at + _PIECE_CHARS]) if quotable(path) == path else "something"
    return f"{piece} is not expected at column {at + 1}"
