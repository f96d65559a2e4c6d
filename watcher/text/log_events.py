"""Events that people are told in a line, and machines in parts."""

from __future__ import annotations

from typing import Self


class OwnWords(str):
    """A text of this program's own, also in a field of the log in which somebody else speaks elsewhere."""

    __slots__ = ()


class LogEvent(str):
    """A line for people, with the parts of it for machines.

    Attributes:
        event: what has happened, always in the same words.
        fields: what it is about.
    """

    event: str
    fields: dict[str, object]

    def __new__(cls, line: str, event: str, /, **fields: object) -> Self:
        """Make one.

        Args:
            line: for people.
            event: see above.
            fields: see above; one that is None is left out.
        """
        self = super().__new__(cls, line)
        self.event, self.fields = event, fields
        return self
