"""Posts open incidents to an Alertmanager again and again, and ended ones once: states, not messages. Trio.

Posted incidents are stored, so that one that ends while no replica runs is posted as ended at the next start.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import structlog
import trio

from watcher.alerting.channels.alertmanager import REPEAT_SECONDS, alert_of
from watcher.alerting.messages import kept_of, write_decision
from watcher.alerting.policy.encoding import decode_incident, encode_incident
from watcher.alerting.policy.holding import Parents, after_seconds, is_told_of, parents_of, silence_end, told_alone_at
from watcher.model.alerts.notification import Delivered
from watcher.model.alerts.rows import UnreadableRowError
from watcher.model.clock_trust import wall_seconds
from watcher.model.state import State
from watcher.outbox.alerts import newest_event, open_incidents
from watcher.outbox.errors import OutboxUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from watcher.alerting.policy.event import Incident
    from watcher.alerting.policy.view import View
    from watcher.model.alerts.channel import Channel
    from watcher.model.alerts.notification import Delivery
    from watcher.outbox.thread import OutboxThread

    Post = Callable[[Sequence[dict[str, Any]], Channel], Awaitable[Delivery]]

log = structlog.get_logger()

# Alerts in one post; the checks get a turn after each.
ALERTS_A_POST = 100
# Time between two failing posts; it doubles up to the time between two successful ones.
RETRY_SECONDS = 5.0
OUTBOX_RETRY_SECONDS = 1.0


class Poster:
    """Posts to one Alertmanager."""

    def __init__(
        self,
        channel: Channel,
        disk: OutboxThread,
        post: Post,
        view: Callable[[], View],
        tell_result: Callable[[str, str], None],
        clock: Callable[[], float] = wall_seconds,
        is_here: Callable[[str], bool] = lambda _target: True,
    ) -> None:
        """Create one.

        Args:
            channel: its receiver is an Alertmanager.
            disk: the outbox, which has the incidents.
            post: posts alerts once; never raises for what the receiver does.
            view: returns the present state of the targets.
            tell_result: called with the channel and the result of a post, `sent` or `failed`.
            clock: seconds since 1970.
            is_here: returns whether this replica watches a configured target; others post the rest.
        """
        self._channel = channel
        self._disk = disk
        self._post = post
        self._view = view
        self._tell_result = tell_result
        self._clock = clock
        self._is_here = is_here
        self._failures = 0
        self._wake = trio.Event()

    def wake(self) -> None:
        """Post soon: there is an event, or the view has changed."""
        self._wake.set()

    def reconfigure(self, channel: Channel) -> None:
        """Continue with another configuration of the channel."""
        self._channel = channel
        self._wake.set()

    async def run(self) -> NoReturn:
        """Post until cancelled."""
        while True:
            self._wake = trio.Event()
            try:
                await self._post_all()
            except OutboxUnavailableError:  # the outbox writer logs it
                await trio.sleep(OUTBOX_RETRY_SECONDS)
                continue
            if self._failures:
                await trio.sleep(min(RETRY_SECONDS * 2.0 ** min(self._failures - 1, 10), REPEAT_SECONDS))
                continue
            with trio.move_on_after(REPEAT_SECONDS):
                await self._wake.wait()

    async def _post_all(self) -> None:
        position = await self._disk.run(newest_event)
        opened = await self._disk.run(open_incidents)
        kept = await self._disk.run(partial(kept_of, channel=self._channel.name))
        now, view = datetime.fromtimestamp(self._clock(), UTC), self._view()
        told = {key: incident for key, text in kept.records.items() if (incident := _read(text)) is not None}
        # An unreadable incident is known to be open: what was posted of it still holds.
        spoilt = [f"{location}\0{target}" for location, target in opened.unreadable]
        incidents = [*opened.found, *(told[key] for key in spoilt if key in told)]
        present = {}
        for number, incident in enumerate(incidents, 1):
            key = _key_of(incident)
            if _is_posted(incident, self._channel, view, now, is_known=key in told):
                present[key] = incident
            if number % ALERTS_A_POST == 0:
                await trio.lowlevel.checkpoint()
        # An incident with another state is another alert, with other labels.
        over = {key: one for key, one in told.items() if key not in present or present[key].trouble is not one.trouble}
        moved = [key for key, one in over.items() if one.target in view.targets and not self._is_here(one.target)]
        ended = {key: one for key, one in over.items() if key not in moved}  # the replica watching the others goes on
        if not await self._tell(ended, now, view, is_over=True) or not await self._tell(present, now, view):
            return
        if self._failures:
            log.info("alertmanager post succeeded again", channel=self._channel.name, failures=self._failures)
            self._failures = 0
        gone = kept.records.keys() - told.keys() - present.keys()
        changed: dict[str, str | None] = {key: None for key in [*over, *sorted(gone)] if key not in present}
        changed |= {key: encode_incident(one) for key, one in present.items() if told.get(key) != one}
        if changed or position > kept.position:
            write = partial(write_decision, channel=self._channel.name, position=position, messages=(), records=changed)
            await self._disk.run(partial(write, now=self._clock()))
        if len(told) < len(kept.records):
            log.error(
                "unreadable records dropped, their alerts expire in Alertmanager",
                channel=self._channel.name,
                records=len(kept.records) - len(told),
            )

    async def _tell(
        self, incidents: Mapping[str, Incident], now: datetime, view: View, *, is_over: bool = False
    ) -> bool:
        """Post alerts in portions; return whether all were accepted."""
        for some in _portions(list(incidents.values())):
            alerts = [
                alert_of(one, view.targets.get(one.target), now, page_url=view.link_to(one.target), is_over=is_over)
                for one in some
            ]
            delivery = await self._post(alerts, self._channel)
            if not isinstance(delivery, Delivered):
                self._tell_result(self._channel.name, "failed")
                if not self._failures:
                    log.warning(
                        "alertmanager post failed, trying again", channel=self._channel.name, error=delivery.error
                    )
                self._failures += 1
                return False
            self._tell_result(self._channel.name, "sent")
        return True


def _is_posted(incident: Incident, channel: Channel, view: View, now: datetime, *, is_known: bool) -> bool:
    """Return whether a channel posts an open incident; one that was posted is posted until it ends."""
    target = view.targets.get(incident.target)
    if target is None or not is_told_of(channel, incident.trouble):
        return False
    after = after_seconds(channel, incident.target, view)
    if after is None or incident.since + timedelta(seconds=after) > now:
        return False
    if is_known:
        return True
    if silence_end(view.silences, incident.target, target.group, now) is not None:
        return False
    if view.state_at(incident.location, incident.target) is State.MAINTENANCE:
        return False
    if parents_of(target.alerts.depends_on, view) is Parents.OUT_OF_ORDER:
        return False
    return told_alone_at(target, incident.flip.at, now, view) is None


def _key_of(incident: Incident) -> str:
    return f"{incident.location}\0{incident.target}"


def _read(text: str) -> Incident | None:
    try:
        return decode_incident(text)
    except UnreadableRowError:  # damaged on disk; its alert expires in Alertmanager
        return None


def _portions(incidents: Sequence[Incident]) -> Iterable[Sequence[Incident]]:
    return (incidents[start : start + ALERTS_A_POST] for start in range(0, len(incidents), ALERTS_A_POST))
