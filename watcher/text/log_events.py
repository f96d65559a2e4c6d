"""Log events: one line for people, structured fields for machines."""

from __future__ import annotations

from typing import Self


class OwnWords(str):
    """Text of this program itself, in a log field that usually holds foreign text."""

    __slots__ = ()


class LogEvent(str):
    """One line for people, with structured fields for machines.

    Attributes:
        event: the event name, always in the same words.
        fields: the structured fields of the event.
    """

    event: str
    fields: dict[str, object]

    def __new__(cls, line: str, event: str, /, **fields: object) -> Self:
        """Create an event.

        Args:
            line: the line for people.
            event: the event name.
            fields: the structured fields; those that are None are left out.
        """
        self = super().__new__(cls, line)
        self.event, self.fields = event, fields
        return self
