"""Checks values in a JSON body."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from jmespath.exceptions import JMESPathTypeError

from watcher.checking.verdict.charset import BYTE_ORDER_MARK, codec_of
from watcher.text.escaping import one_line, quoted

if TYPE_CHECKING:
    from watcher.model.target import JsonExpectation

# Three of these fit into a detail of less than 500 characters.
MAX_SHOWN_CHARS = 120

# JMESPath's own errors are ValueErrors; for unexpected values it lets Python's errors through.
_ERRORS_OF_A_SEARCH = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class JsonError(Exception):
    """The body is not valid JSON; the message says why, for people."""


def decoded(body: bytes, charset: str | None) -> Any:
    """Decode a body of JSON (RFC 8259).

    Args:
        body: as sent; a byte order mark is skipped, as section 8.1 allows.
        charset: as sent; JSON is UTF-8, but another charset in the header is respected.

    Raises:
        JsonError: it is not JSON, is nested too deeply, or has too long numbers for Python.
    """
    try:
        codec = None if charset is None else codec_of(body, charset)
        return _DECODER.decode(body.decode(codec or "utf-8").removeprefix(BYTE_ORDER_MARK))
    except UnicodeError as error:
        raise JsonError("it is not in its charset, which is UTF-8 unless the header names another") from error
    except json.JSONDecodeError as error:
        raise JsonError(f"{error.msg.removesuffix(' at')} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise JsonError("it is nested too deeply") from error
    except ValueError as error:  # to avoid quadratic time, Python refuses integers of more than 4300 digits
        raise JsonError("it has a number of too many digits") from error


def json_complaint(expectation: JsonExpectation, document: Any) -> str | None:
    """Return a complaint if the value at a path of a document is not as expected, or None."""
    path = quoted(one_line(expectation.path, limit_chars=MAX_SHOWN_CHARS))
    try:
        found = expectation.expression.search(document)
        if same(found, expectation.equals):
            return None
        # JMESPath returns null for missing values.
        shown_found = "null or missing" if found is None else shown_json(found)
        return f"{path} of the body is {shown_found}, not {shown_json(expectation.equals)}"
    except _ERRORS_OF_A_SEARCH as error:
        return f"{path} cannot be found in the body: {one_line(_text_of(error), limit_chars=2 * MAX_SHOWN_CHARS)}"


def same(one: Any, other: Any) -> bool:
    """Return whether two values are the same JSON: 1 equals 1.0, but not true; the order of keys is irrelevant."""
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(same(value, other[key]) for key, value in one.items())
        )
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def shown_json(value: Any) -> str:
    """Write the start of a value as JSON, as much as is readable; the rest is not even encoded."""
    if isinstance(value, str):
        value = value[:MAX_SHOWN_CHARS]
    text = ""
    for piece in _ENCODER.iterencode(value):
        text += piece
        if len(text) > MAX_SHOWN_CHARS:
            break
    return one_line(text, limit_chars=MAX_SHOWN_CHARS)


def _text_of(error: Exception) -> str:
    if isinstance(error, JMESPathTypeError):  # its own text contains the whole value, or raises again
        return f"{error.function_name}() got {error.actual_type}, not {' or '.join(error.expected_types)}"
    return str(error) or type(error).__name__


def _refuse_constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is not a JSON value")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_ENCODER = json.JSONEncoder(ensure_ascii=False)
