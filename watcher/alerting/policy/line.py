"""What a message tells of one target."""

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
    """What a message tells of one target.

    Attributes:
        kind: of a message that told of nothing else.
        target, location: whose.
        state, before: where it stands, and where it stood as far as the channel was told.
        since: when the state began.
        confirmed_at: when that was found out.
        cause: why, of a trouble that lasts; of one that has ended, why it was.
        last_up_at: when a check last found it up before the trouble.
        lasted_seconds: of what has ended, how long it was.
        opening: the key of the outage, the same for all replicas that find it; None where only the flip names it.
        flip_id, check_id: of the flip, and of the check that confirmed it.
        certificate: that ends soon.
        times: how often it was down meanwhile, where that was more than once and nothing of it was told.
        dependents: how many others are not told of, since they depend on it.
        began: of flapping, whether it begins; it ends otherwise.
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
