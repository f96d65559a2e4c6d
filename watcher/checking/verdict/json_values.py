"""What stands in a JSON body, and whether it is what should."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from jmespath.exceptions import JMESPathTypeError

from watcher.checking.verdict.charset import BYTE_ORDER_MARK, codec_of
from watcher.text.escaping import one_line, quoted

if TYPE_CHECKING:
    from watcher.model.target import JsonExpectation

# Three of them make a detail of less than 500 characters.
MAX_SHOWN_CHARS = 120

# JMESPath's own errors are ValueErrors; of values that it did not think of, it lets Python's errors through.
_ERRORS_OF_A_SEARCH = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class JsonError(Exception):
    """The body is no JSON; the message says why, for people."""


def decoded(body: bytes, charset: str | None) -> Any:
    """Decode a body of JSON (RFC 8259).

    Args:
        body: as it was sent; a byte order mark is passed over, as section 8.1 allows.
        charset: as it was sent; JSON is in UTF-8, yet a server that claims another charset is believed.

    Raises:
        JsonError: it is none, or is nested deeper, or has longer numbers, than Python takes.
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
    except ValueError as error:  # against quadratic time, Python reads no integer of more than 4300 digits
        raise JsonError("it has a number of too many digits") from error


def json_complaint(expectation: JsonExpectation, document: Any) -> str | None:
    """Say what is wrong with what a document has at a path, or return None where it is what it should be."""
    path = quoted(one_line(expectation.path, limit_chars=MAX_SHOWN_CHARS))
    try:
        found = expectation.expression.search(document)
        if same(found, expectation.equals):
            return None
        # JMESPath gives null for what is not there.
        shown_found = "null or missing" if found is None else shown_json(found)
        return f"{path} of the body is {shown_found}, not {shown_json(expectation.equals)}"
    except _ERRORS_OF_A_SEARCH as error:
        return f"{path} cannot be found in the body: {one_line(_text_of(error), limit_chars=2 * MAX_SHOWN_CHARS)}"


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same JSON: 1 is 1.0, but not true; the order of an object's keys is free."""
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
    """Write a value as JSON, as much of it as is good to read; what follows is not even looked at."""
    if isinstance(value, str):
        value = value[:MAX_SHOWN_CHARS]
    text = ""
    for piece in _ENCODER.iterencode(value):
        text += piece
        if len(text) > MAX_SHOWN_CHARS:
            break
    return one_line(text, limit_chars=MAX_SHOWN_CHARS)


def _text_of(error: Exception) -> str:
    if isinstance(error, JMESPathTypeError):  # its own text has the whole value in it, or fails in turn
        return f"{error.function_name}() got {error.actual_type}, not {' or '.join(error.expected_types)}"
    return str(error) or type(error).__name__


def _refuse_constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is no value of JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_ENCODER = json.JSONEncoder(ensure_ascii=False)
