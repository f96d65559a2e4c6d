"""The part of a message about one target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from watcher.alerting.policy.event import Certificate
    from watcher.model.alerts.notification import Kind
    from watcher.model.outcome import Fault
    from watcher.model.state import State


@dataclass(frozen=True, slots=True)
class Line:
    """The part of a message about one target.

    Attributes:
        kind: of a message with only this line.
        target, location: of the line.
        state, before: its present state, and the last one that the channel was notified of.
        since: when the state started.
        confirmed_at: when the state was confirmed.
        cause: of the present trouble, or of the one that has ended.
        last_up_at: when a check last found it up before the trouble.
        lasted_seconds: the duration of a trouble that has ended.
        opening: the key of the outage, the same for all replicas that find it; None if only the flip identifies it.
        flip_id, check_id: of the flip, and of the check that confirmed it.
        certificate: that ends soon.
        times: how often it was down since the last message, if more than once and without a message.
        dependents: the number of other targets held back because they depend on it.
        began: whether flapping starts (or ends).
    """

    kind: Kind
    target: str
    location: str
    state: State
    before: State
    since: datetime | None = None
    confirmed_at: datetime | None = None
    cause: Fault | None = None
    last_up_at: datetime | None = None
    lasted_seconds: float | None = None
    flip_id: uuid.UUID | None = None
    check_id: uuid.UUID | None = None
    certificate: Certificate | None = None
    times: int = 1
    dependents: int = 0
    began: bool = False
    opening: uuid.UUID | None = None
