"""Connects the alerts to the daemon: the present state, the replicas, and delivery. Trio."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
import trio

from watcher.alerting.alerts import SETTLE_SECONDS, Alerts
from watcher.alerting.channels.deliver import deliver, open_tools, post_alerts
from watcher.alerting.combined import NOTHING_SEEN, CombinedPresent
from watcher.alerting.policy.holding import routes_to
from watcher.alerting.policy.view import View
from watcher.alerting.scope import Joining, Scope
from watcher.alerting.sharing import AlertSharing
from watcher.alerting.silences.present import Silences
from watcher.daemon.sharing.elsewhere import Elsewhere
from watcher.model.clock_trust import utc_now, wall_seconds
from watcher.model.places import COMBINED
from watcher.model.state import State
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.places.combined import use_combined
from watcher.web.sites import keys_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from watcher.alerting.channels.deliver import Tools
    from watcher.alerting.combined import Seen
    from watcher.cluster.membership import Membership
    from watcher.cluster.protocol import Share
    from watcher.config import Configuration
    from watcher.config.env.settings import Settings
    from watcher.daemon.changes import Change
    from watcher.model.alerts.channel import Channel
    from watcher.model.alerts.notification import Delivery, Notification
    from watcher.model.target import Target
    from watcher.outbox.thread import OutboxThread
    from watcher.postgres.queries.channels import ChannelLedger
    from watcher.recording.board import Board


log = structlog.get_logger()

_LONG_AGO = datetime.fromtimestamp(0, UTC)


class Alerting:
    """Alerts, and their view of the present.

    Attributes:
        alerts: see there.
        silences: the silences and acks that apply now.
    """

    def __init__(
        self,
        disk: OutboxThread,
        board: Board,
        written: Callable[[], None],
        replicas: Replicas | None = None,
        seen: Seen = NOTHING_SEEN,
    ) -> None:
        """Start without channels.

        Args:
            disk: the outbox.
            board: has the newest outcome and standing of each target.
            written: called when the outbox has a new entry.
            replicas: those that share the channels; None if there are none.
            seen: the places' views of targets that several of them watch.
        """
        self._disk = disk
        self._board = board
        self._combined = CombinedPresent(seen, self._decide_again)
        self._replicas, self._places = replicas, replicas
        self._sharing: AlertSharing | None = None
        self._elsewhere: Elsewhere | None = None
        sharing = None
        if replicas is not None:
            elsewhere = Elsewhere(replicas.ledger, lambda: self.alerts.dispatches_for_others, self._decide_again)
            place = replicas.ledger, replicas, replicas.location
            ask, routes_of = elsewhere.ask, self._routes_of
            sharing = AlertSharing(disk, *place, written, prepare=ask, routes_of=routes_of)
            self._elsewhere, self._sharing = elsewhere, sharing
        self._channels: Sequence[Channel] = ()
        self._view = View({}, self._state_of, self._checked_at, back_at=self._back_at)
        routes = {} if sharing is None else sharing.routes
        self._view = replace(
            self._view, routes_elsewhere=routes, state_elsewhere=self._state_at, places_of=seen.views_of
        )
        self.alerts = Alerts(disk, lambda: self._view, written, sharing=sharing, is_here=self._is_here)
        self.silences = Silences(tell=self._hear)

    async def begin(self, configuration: Configuration, targets: Mapping[str, Target]) -> None:
        """Apply the configuration at the start; `targets` has its targets by name."""
        self._channels = configuration.alerting.channels
        await self._retarget(targets, configuration.settings)
        await self.alerts.note_channels(self._channels)
        await self._use_combined(configuration.settings.location, {})
        if self._replicas is not None and self._sharing is not None and self._disk.outbox.combined_targets:
            # Nothing is shared with the replicas of this place before those of all places are queried.
            self._sharing.enter(Scope(COMBINED, self._replicas.ledger.at(COMBINED), Joining()))

    async def run(self) -> None:
        """Send notifications until closed or cancelled; then helper processes are killed."""
        async with open_tools() as tools, trio.open_nursery() as nursery:
            nursery.start_soon(self._combined.run)
            if self._elsewhere is not None:
                nursery.start_soon(self._elsewhere.run)
            await self.alerts.run(self._channels, _Deliverer(tools))
            nursery.cancel_scope.cancel()

    def share_with(self, membership: Membership | None) -> None:
        """Share channels with the replicas of all places, or again with those of this place only.

        Args:
            membership: the replicas of all places; None if no target is watched by several places.
        """
        replicas, sharing = self._replicas, self._sharing
        if replicas is None or sharing is None or self._elsewhere is None:
            return
        if membership is None:
            self._places = replicas
        elif self._places is None or self._places.membership is not membership:
            self._places = Replicas(membership, replicas.ledger.at(COMBINED), COMBINED)
        assert self._places is not None
        self._elsewhere.asks_places = membership is not None
        sharing.enter(Scope(self._places.location, self._places.ledger, self._places))

    async def change(self, change: Change, targets: Mapping[str, Target]) -> None:
        """Apply another configuration.

        Args:
            change: see there.
            targets: all present targets, by name.
        """
        channels = change.alerting.channels
        is_other = channels != self._channels
        self._channels = channels
        await self._retarget(targets, change.settings)
        if is_other:
            await self.alerts.change(channels)
        await self._use_combined(change.settings.location, change.difference.renamed)
        self.alerts.look()
        self.alerts.decide_anew()

    async def _use_combined(self, location: str, renamed: Mapping[str, str]) -> None:
        """Make incidents of targets that several places watch follow the combined state."""
        # With a database of its own, this place decides for itself.
        targets = {} if self._replicas is None else self._view.targets
        use = partial(use_combined, targets=targets, location=location, now=wall_seconds(), renamed=renamed)
        try:
            with trio.fail_after(SETTLE_SECONDS):
                await self._disk.run(use)
        except (OutboxUnavailableError, trio.TooSlowError) as error:
            log.error("targets of several places not written to the outbox, the next start will retry", error=error)

    async def _retarget(self, targets: Mapping[str, Target], settings: Settings) -> None:
        page_url, keys = settings.http_url if self._channels else None, dict[str, str]()
        if page_url is not None:
            # In a thread: 100,000 targets take half a second.
            keys = await trio.to_thread.run_sync(partial(_keys_of, list(targets.values())))
        shares = self._replicas is not None
        self._combined.use({name: one for name, one in targets.items() if shares and one.locations})
        known = self._view
        self._view = replace(known, targets=targets, page_url=page_url, key_of=keys.get, is_in_doubt=self._is_in_doubt)

    def _routes_of(self, target: str) -> Mapping[str, float]:
        return routes_to(self._channels, self._view.targets.get(target))

    def _decide_again(self) -> None:
        self.alerts.decide_anew()

    def _hear(self) -> None:
        """Decide again after a new silence or ack."""
        self._view = replace(self._view, silences=self.silences.silences, acks=self.silences.acks)
        self.alerts.decide_anew()

    def in_trouble_since(self, target: str) -> datetime | None:
        """Return since when a target that others watch or decide on is, or may be, in trouble; None if it is not."""
        if self._combined.has(target):
            state, since = self._combined.state_of(target), self._combined.since(target)
        elif self._board.is_elsewhere(target) and (standing := self._board.standing_of(target)) is not None:
            state, since = standing.state, standing.since
        else:
            return None
        if state in {State.DOWN, State.DEGRADED}:
            return since
        # If it was in trouble before, its incident is still open, but its start is unknown here.
        return _LONG_AGO if state in {State.UNKNOWN, State.MAINTENANCE} else None

    def _is_here(self, target: str) -> bool:
        replicas = self._places if self._combined.has(target) else self._replicas
        return replicas is None or replicas.holds(target)

    def _state_at(self, location: str, target: str) -> State | None:
        if self._elsewhere is None or self._replicas is None or location in {self._replicas.location, COMBINED}:
            return None
        return self._elsewhere.state_at(location, target)

    def _state_of(self, target: str) -> State | None:
        if self._combined.has(target) and (state := self._combined.state_of(target)) is not None:
            return state
        standing = self._board.standing_of(target)
        if standing is not None:
            return standing.state
        return None if self._elsewhere is None or target not in self._view.targets else self._elsewhere.state_of(target)

    def _back_at(self, target: str) -> datetime | None:
        return self._combined.back_at(target) if self._combined.has(target) else self._board.returns.of(target)

    def _checked_at(self, target: str) -> datetime | None:
        if self._combined.has(target):
            return self._combined.checked_at(target, utc_now())
        started_at = self._board.started_at_of(target)
        if started_at is not None:
            return datetime.fromtimestamp(started_at, UTC)
        return None if self._elsewhere is None else self._elsewhere.checked_at(target)

    def _is_in_doubt(self, target: str) -> bool:
        if self._combined.has(target):
            return self._combined.is_in_doubt(target)
        if self._elsewhere is not None and self._board.is_elsewhere(target):
            return self._elsewhere.is_in_doubt(target)
        standing = self._board.standing_of(target)
        return standing is not None and not standing.is_confirmed


@dataclass(frozen=True)
class Replicas:
    """This replica's relation to the others that share its channels.

    Attributes:
        membership: the replicas.
        ledger: the tables of channels.
        location: of the replicas.
    """

    membership: Membership
    ledger: ChannelLedger
    location: str

    @property
    def share(self) -> Share | None:
        """This replica's share by the agreement; None until the database has answered."""
        return self.membership.share

    def holds_lease(self) -> bool:
        """Whether no other replica can have taken over this one's targets."""
        return self.membership.is_held

    def is_cut_off(self) -> bool:
        """Whether the lease is over and the database could not be reached to renew it."""
        return self.membership.is_cut_off

    async def changed_from(self, known: object) -> object:
        """Return once what is agreed on is something else than what is known."""
        return await self.membership.changed_from(known)

    def holds(self, target: str) -> bool:
        """Whether a target is watched here by the agreement."""
        return self.share is None or self.share.holds(target)


class _Deliverer:
    """Delivers notifications with shared tools."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def deliver(self, notification: Notification, channel: Channel) -> Delivery:
        return await deliver(notification, channel, self._tools)

    async def post_alerts(self, alerts: Sequence[dict[str, Any]], channel: Channel) -> Delivery:
        return await post_alerts(alerts, channel, self._tools)


def _keys_of(targets: Sequence[Target]) -> dict[str, str]:
    names = [target.name for target in targets]
    return dict(zip(names, keys_of((target.group, target.name) for target in targets), strict=True))
