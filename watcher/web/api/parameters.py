"""Defines the parameters of paths and queries, for the parser and the OpenAPI document; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from watcher.model.outcome import Reason
from watcher.model.state import State
from watcher.text.durations import DURATION, LONGEST_SECONDS, seconds_of
from watcher.web.api.cursors import MAX_CHARS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from starlette.datastructures import QueryParams

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_NUMBER = 1_000_000_000
MAX_TEXT_CHARS = 500
# The durations of Gatus.
DURATIONS = {
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
# How far back rows are read, and how far back totals are computed.
OLDEST_ROW = timedelta(days=3660)
OLDEST = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a path or a query.

    Attributes:
        name: as written.
        about: its meaning.
        schema: its JSON Schema.
        read: parses its text; raises ValueError with the complaint, without a subject.
        default: the value if it is missing.
    """

    name: str
    about: str
    schema: Mapping[str, Any]
    read: Callable[[str], Any]
    default: Any = field(default=None)


class WrongValuesError(Exception):
    """Values of a query or body are wrong; the argument is the complaint about each, by name."""

    def __init__(self, wrong: Mapping[str, str]) -> None:
        """Store the complaint about each."""
        super().__init__("; ".join(f"{name} {what}" for name, what in wrong.items()))
        self.wrong = dict(wrong)


def values_of(parameters: Iterable[Parameter], given: QueryParams) -> dict[str, Any]:
    """Parse a query; unknown parameters are ignored.

    Args:
        parameters: the known ones.
        given: the query.

    Raises:
        WrongValuesError: a value is wrong, or comes twice.
    """
    values, wrong = {}, {}
    for parameter in parameters:
        texts = given.getlist(parameter.name)
        values[parameter.name] = parameter.default
        try:
            if len(texts) > 1:
                wrong[parameter.name] = "is given more than once"
            elif texts:
                values[parameter.name] = parameter.read(texts[0])
        except ValueError as error:
            wrong[parameter.name] = str(error)
    if wrong:
        raise WrongValuesError(wrong)
    return values


def moment(
    value: timedelta | datetime | None, now: datetime, default: timedelta = timedelta(), oldest: timedelta = OLDEST
) -> datetime:
    """Return the moment that a value means, limited to between `oldest` and now.

    Args:
        value: a moment, or how long ago it was.
        now: in UTC.
        default: how long ago it was, if no value was given.
        oldest: the limit of reads into the past.
    """
    meant = value if isinstance(value, datetime) else now - (default if value is None else value)
    return min(max(meant, now - oldest), now)


def _number(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,10}", text) or not low <= int(text) <= high:
            raise ValueError(f"is not a whole number from {low} to {high}")
        return int(text)

    return read


def _one_of(words: Iterable[str]) -> Callable[[str], str]:
    allowed = tuple(words)

    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"is not one of {', '.join(allowed)}")
        return text

    return read


def _text(text: str) -> str:
    if not 0 < len(text) <= MAX_TEXT_CHARS:
        raise ValueError(f"is empty or longer than {MAX_TEXT_CHARS} characters")
    return text


def _cursor(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text) or len(text) > MAX_CHARS:
        raise ValueError("is not a cursor")
    return text


def _moment(text: str) -> timedelta | datetime:
    seconds = seconds_of(text)
    if seconds is not None:
        return timedelta(seconds=min(seconds, LONGEST_SECONDS))
    try:
        # An unquoted plus sign has been decoded to a space.
        at = datetime.fromisoformat(text.upper().replace(" ", "+"))
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is neither a duration, as 30m, 24h or 7d, nor a time in ISO 8601") from None


def _integer(name: str, about: str, low: int, high: int, default: int) -> Parameter:
    schema = {"type": "integer", "minimum": low, "maximum": high, "default": default}
    return Parameter(name, about, schema, _number(low, high), default)


def _word(name: str, about: str, words: Iterable[str]) -> Parameter:
    return Parameter(name, about, {"type": "string", "enum": list(words)}, _one_of(words))


def _time(name: str, about: str) -> Parameter:
    schema = {
        "anyOf": [{"type": "string", "pattern": f"^{DURATION.pattern}$"}, {"type": "string", "format": "date-time"}]
    }
    return Parameter(name, about, schema, _moment)


_TEXT_SCHEMA = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_CHARS}

PAGE = _integer("page", "page of the results of each endpoint; 1 has the newest", 1, MAX_NUMBER, 1)
PAGE_SIZE = _integer("pageSize", "number of results of each endpoint; 20 are kept", 1, MAX_NUMBER, 50)
LIMIT = _integer("limit", "maximum number of entries", 1, MAX_LIMIT, DEFAULT_LIMIT)
CURSOR = Parameter(
    "cursor",
    "`next` of the page before, for the same query; new entries do not shift it",
    {"type": "string", "pattern": "^[A-Za-z0-9_-]+$", "maxLength": MAX_CHARS},
    _cursor,
)
GROUP = Parameter("group", "only entries of this group", _TEXT_SCHEMA, _text)
TARGET_KEY = Parameter("key", "only entries of the target with this key", _TEXT_SCHEMA, _text)
STATE = _word("state", "only targets in this state", [str(state) for state in State])
ENDED = _word("state", "only open incidents, or only ended ones", ["open", "ended"])
REASON = _word("reason", "only failures with this reason", [str(reason) for reason in Reason])
SINCE = _time("since", "start of the time: how long ago, as `30m`, `24h` or `7d`, or a moment")
UNTIL = _time("until", "end of the time; as `since`")
KEY_IN_PATH = Parameter("key", "of the target: `group_name`, trimmed, in lower case", {"type": "string"}, str)
ID_IN_PATH = Parameter("id", "of the silence", {"type": "string", "format": "uuid"}, str)
DURATION_IN_PATH = _word("duration", "how far back", DURATIONS)
