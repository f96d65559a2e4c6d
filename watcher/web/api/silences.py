"""Silences and acks over the API. Trio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.alerting.silences.orders import OrderError, ack_as_json, ended, new_ack, new_silence, silence_as_json
from watcher.model.alerts.silence import Silence
from watcher.web.api.calls import json_response
from watcher.web.api.parameters import WrongValuesError
from watcher.web.serving.problems import problem_response

if TYPE_CHECKING:
    from starlette.responses import Response

    from watcher.web.api.calls import Call


async def silences(call: Call) -> Response:
    """Answer with the active silences, newest first; the public sees neither the reason nor hidden targets."""
    shown = (_shown(call, one) for one in call.source.silences.silences if one.end > call.now)
    return await call.list_response("silences", [one for one in shown if one is not None], next=None)


async def begin(call: Call) -> Response:
    """Start a silence."""
    given = call.values
    known = {site.target for site in call.sites.all}
    groups = {site.group for site in call.sites.all if site.group}
    if any(name not in known for name in given["targets"] or ()):
        raise WrongValuesError({"targets": "contains an unknown target name"})
    if given["group"] is not None and given["group"] not in groups:
        raise WrongValuesError({"group": "is not the group of a target"})
    try:
        silence = new_silence(
            start=call.now,
            end=given["until"] or call.now + given["duration_ms"],
            why=given["why"],
            by=given["by"] or "",
            targets=given["targets"],
            group=given["group"],
        )
    except OrderError as error:
        raise WrongValuesError({error.field: str(error)}) from None
    await call.keeper.take(silence)
    return json_response(silence_as_json(silence), 201)


async def end(call: Call) -> Response:
    """End an active silence."""
    wanted = call.request.path_params["id"].lower()
    for one in call.source.silences.silences:
        if str(one.id) == wanted and one.end > call.now:
            over = await call.keeper.take(ended(one, call.now))
            assert isinstance(over, Silence)
            return json_response(silence_as_json(over))
    return problem_response(404, "There is no active silence with this id.")


async def acknowledge(call: Call) -> Response:
    """Acknowledge the open incident of a target."""
    target = call.site.target
    if not await call.keeper.has_open(target):
        return problem_response(409, "Nothing is open at this target.")
    ack = new_ack(target, at=call.now, why=call.values["why"] or "", by=call.values["by"] or "")
    await call.keeper.take(ack)
    return json_response(ack_as_json(ack), 201)


def _shown(call: Call, silence: Silence) -> dict[str, Any] | None:
    """Return the JSON object of a silence as the caller may see it; None if the caller may not see it."""
    record = silence_as_json(silence)
    if not call.public:
        return record
    names = {site.target: site.name for site in call.sites.all}
    if silence.targets is not None:
        record["targets"] = sorted(names[one] for one in silence.targets if one in names)
    is_seen = record["targets"] or silence.targets is None
    if silence.group is not None and silence.group not in {site.group for site in call.sites.all}:
        is_seen = False
    return {**record, "why": None, "by": None} if is_seen else None
