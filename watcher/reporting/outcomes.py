"""The JSON form of an outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from watcher.model.outcome import Outcome


def outcome_as_json(outcome: Outcome) -> dict[str, Any]:
    """Return the JSON object of an outcome; a phase or response that did not happen is None."""
    expires_at, fault = outcome.cert_expires_at, outcome.fault
    return {
        "target": outcome.target,
        "address": outcome.address,
        "ok": outcome.ok,
        "reason": None if fault is None else str(fault.reason),
        "detail": None if fault is None else fault.detail,
        "degraded": outcome.degraded,
        "started_at": timestamp(outcome.started_at),
        "duration_ms": round(outcome.duration_seconds * 1000, 3),
        "phases_ms": outcome.phases.as_milliseconds(),
        "status_code": outcome.status_code,
        "http_version": outcome.http_version,
        "ip": outcome.ip,
        "redirects": outcome.redirects,
        "body_bytes": outcome.body_bytes,
        "cert_expires_at": None if expires_at is None else timestamp(expires_at),
        "notes": list(outcome.notes),
    }
