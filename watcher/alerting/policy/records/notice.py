"""Notices beside incidents: a certificate that ends soon, and a gap in this machine's network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.alerting.policy.records.json_values import read, written
from watcher.alerting.policy.records.record import Place, check_place
from watcher.model.alerts.rows import a_moment, a_number, a_text, maybe, reading

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(slots=True)
class Notice:
    """A notice that is sent once and then dropped.

    Attributes:
        target, location: of the certificate; both empty for a gap in the network.
        group: of the target.
        at: when it was found.
        step_days, expires_at: for a certificate: the most days left, and its end.
        gap_start: for a gap: its start.
        place, until: where it waits.
    """

    target: str
    location: str
    group: str | None
    at: datetime
    step_days: int = 0
    expires_at: datetime | None = None
    gap_start: datetime | None = None
    place: Place = Place.NOWHERE
    until: datetime | None = None


def encode_notice(notice: Notice) -> str:
    """Return the text of a notice."""
    return json.dumps(
        {
            "target": notice.target,
            "location": notice.location,
            "group": notice.group,
            "at": notice.at.isoformat(),
            "step_days": notice.step_days,
            "expires_at": written(notice.expires_at),
            "gap_start": written(notice.gap_start),
            "place": notice.place,
            "until": written(notice.until),
        }
    )


def decode_notice(text: str) -> Notice:
    """Return a notice.

    Raises:
        UnreadableRowError: it is not the text of a notice.
    """
    with reading("a notice of a channel"):
        row = json.loads(text)
        notice = Notice(
            a_text(row["target"]),
            a_text(row["location"]),
            maybe(a_text, row["group"]),
            a_moment(row["at"]),
            a_number(row["step_days"]),
            read(row["expires_at"]),
            read(row["gap_start"]),
            Place(row["place"]),
            read(row["until"]),
        )
        if notice.expires_at is None and notice.gap_start is None:
            raise ValueError("it is about neither a certificate nor a gap")
        check_place(notice.place, notice.until)
        return notice
