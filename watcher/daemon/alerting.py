"""Alerts in the daemon: what they know of the present, and who delivers them. Trio."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from watcher.alerting.alerts import Alerts
from watcher.alerting.channels.deliver import deliver, open_tools, post_alerts
from watcher.alerting.policy.holding import routes_to
from watcher.alerting.policy.view import View
from watcher.alerting.sharing import AlertSharing
from watcher.alerting.silences.present import Silences
from watcher.daemon.sharing.elsewhere import Elsewhere
from watcher.web.sites import keys_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from watcher.alerting.channels.deliver import Tools
    from watcher.cluster.membership import Membership
    from watcher.cluster.protocol import Share
    from watcher.config import Configuration
    from watcher.config.env.settings import Settings
    from watcher.daemon.changes import Change
    from watcher.model.alerts.channel import Channel
    from watcher.model.alerts.notification import Delivery, Notification
    from watcher.model.state import State
    from watcher.model.target import Target
    from watcher.outbox.thread import OutboxThread
    from watcher.postgres.queries.channels import ChannelLedger
    from watcher.recording.board import Board


class Alerting:
    """Alerts, with what they know of the present.

    Attributes:
        alerts: see there.
        silences: what operators have said and holds now.
    """

    def __init__(
        self, disk: OutboxThread, board: Board, written: Callable[[], None], replicas: Replicas | None = None
    ) -> None:
        """Begin with no channels.

        Args:
            disk: the outbox.
            board: has the newest of each target.
            written: called when something new is in the outbox.
            replicas: that share the channels; None where there can be none.
        """
        self._board = board
        self._elsewhere: Elsewhere | None = None
        sharing = None
        if replicas is not None:
            elsewhere = Elsewhere(replicas.ledger, lambda: self.alerts.dispatches_for_others, self._decide_anew)
            place = replicas.ledger, replicas, replicas.location
            ask, routes_of = elsewhere.ask, self._routes_of
            sharing = AlertSharing(disk, *place, written, prepare=ask, routes_of=routes_of)
            self._elsewhere = elsewhere
        self._channels: Sequence[Channel] = ()
        routes = {} if sharing is None else sharing.routes
        self._view = View({}, self._state_of, self._checked_at, back_at=board.returns.of, routes_elsewhere=routes)
        is_here = (lambda _target: True) if replicas is None else replicas.holds
        self.alerts = Alerts(disk, lambda: self._view, written, sharing=sharing, is_here=is_here)
        self.silences = Silences(tell=self._hear)

    async def begin(self, configuration: Configuration, targets: Mapping[str, Target]) -> None:
        """Take over what is configured, before anything happens; `targets` has it by name."""
        self._channels = configuration.alerting.channels
        await self._retarget(targets, configuration.settings)
        await self.alerts.note_channels(self._channels)

    async def run(self) -> None:
        """Tell of what happens until closed or cancelled; then helper processes are killed."""
        async with open_tools() as tools, trio.open_nursery() as nursery:
            if self._elsewhere is not None:
                nursery.start_soon(self._elsewhere.run)
            await self.alerts.run(self._channels, _Deliverer(tools))
            nursery.cancel_scope.cancel()

    async def change(self, change: Change, targets: Mapping[str, Target]) -> None:
        """Take over another configuration.

        Args:
            change: see there.
            targets: all that there are now, by name.
        """
        channels = change.alerting.channels
        is_other = channels != self._channels
        self._channels = channels
        await self._retarget(targets, change.settings)
        if is_other:
            await self.alerts.change(channels)
        self.alerts.decide_anew()

    async def _retarget(self, targets: Mapping[str, Target], settings: Settings) -> None:
        page_url, keys = settings.http_url if self._channels else None, dict[str, str]()
        if page_url is not None:
            # In a thread: of 100,000 it takes half a second.
            keys = await trio.to_thread.run_sync(partial(_keys_of, list(targets.values())))
        known = self._view
        self._view = replace(known, targets=targets, page_url=page_url, key_of=keys.get, is_in_doubt=self._is_in_doubt)

    def _routes_of(self, target: str) -> Mapping[str, float]:
        return routes_to(self._channels, self._view.targets.get(target))

    def _decide_anew(self) -> None:
        self.alerts.decide_anew()

    def _hear(self) -> None:
        """Decide anew by what operators have said."""
        self._view = replace(self._view, silences=self.silences.silences, acks=self.silences.acks)
        self.alerts.decide_anew()

    def _state_of(self, target: str) -> State | None:
        standing = self._board.standing_of(target)
        if standing is not None:
            return standing.state
        return None if self._elsewhere is None or target not in self._view.targets else self._elsewhere.state_of(target)

    def _checked_at(self, target: str) -> datetime | None:
        started_at = self._board.started_at_of(target)
        if started_at is not None:
            return datetime.fromtimestamp(started_at, UTC)
        return None if self._elsewhere is None else self._elsewhere.checked_at(target)

    def _is_in_doubt(self, target: str) -> bool:
        if self._elsewhere is not None and self._board.is_elsewhere(target):
            return self._elsewhere.is_in_doubt(target)
        standing = self._board.standing_of(target)
        return standing is not None and not standing.is_confirmed


@dataclass(frozen=True)
class Replicas:
    """How this replica stands with others that share its channels.

    Attributes:
        membership: who is there.
        ledger: the tables of channels.
        location: where they stand.
    """

    membership: Membership
    ledger: ChannelLedger
    location: str

    @property
    def share(self) -> Share | None:
        """What is agreed on; None where nobody could be asked yet."""
        return self.membership.share

    def holds_lease(self) -> bool:
        """Whether no other replica may have taken over what this one has."""
        return self.membership.is_held

    def is_cut_off(self) -> bool:
        """Whether the lease is over, and the database could not be asked for another one."""
        return self.membership.is_cut_off

    def holds(self, target: str) -> bool:
        """Whether a target is watched here, by what is agreed on."""
        return self.share is None or self.share.holds(target)


class _Deliverer:
    """Delivers with the tools that all deliveries share."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def deliver(self, notification: Notification, channel: Channel) -> Delivery:
        return await deliver(notification, channel, self._tools)

    async def post_alerts(self, alerts: Sequence[dict[str, Any]], channel: Channel) -> Delivery:
        return await post_alerts(alerts, channel, self._tools)


def _keys_of(targets: Sequence[Target]) -> dict[str, str]:
    names = [target.name for target in targets]
    return dict(zip(names, keys_of((target.group, target.name) for target in targets), strict=True))
