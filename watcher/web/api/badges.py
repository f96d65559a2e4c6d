"""Draws badges: a label and a value in a small SVG, or as JSON for shields.io; pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from watcher.model.state import State

if TYPE_CHECKING:
    from watcher.history.uptime import Uptime

UNKNOWN = "?"

_GREEN, _LIME, _YELLOW, _ORANGE, _RED, _GREY = "#2a7d3f", "#5b8a1e", "#96790b", "#b3590c", "#b3261e", "#6b7076"
_UPTIMES = ((99.9, _GREEN), (99.0, _LIME), (97.0, _YELLOW), (90.0, _ORANGE))  # percent, at least
_TIMES_MS = ((200, _GREEN), (500, _LIME), (1000, _YELLOW), (3000, _ORANGE))  # at most
_STATES = {State.UP: _GREEN, State.DEGRADED: _YELLOW, State.DOWN: _RED, State.MAINTENANCE: "#2f5f9e"}
_NAMES_OF_SHIELDS = {State.UP: "brightgreen", State.DEGRADED: "yellow", State.DOWN: "red", State.MAINTENANCE: "blue"}

# Widths of letters of Verdana at 11 pixels; `textLength` makes other fonts fit.
_NARROW, _WIDE = "fijlrt.,:;'|!()1 ", "mwMW%@"
_NARROW_PX, _USUAL_PX, _WIDE_PX = 4.6, 7.0, 11.0
_PADDING_PX = 12


def uptime_badge(duration: str, uptime: Uptime) -> str:
    """Draw the uptime of a duration, rounded down."""
    percent = uptime.percent(2)
    if percent is None:
        return _badge(f"uptime {duration}", UNKNOWN, _GREY)
    colour = next((colour for least, colour in _UPTIMES if percent >= least), _RED)
    return _badge(f"uptime {duration}", f"{percent:.2f}".rstrip("0").rstrip(".") + "%", colour)


def response_time_badge(duration: str, mean_ms: float | None) -> str:
    """Draw the mean response time of a duration."""
    if mean_ms is None:
        return _badge(f"response time {duration}", UNKNOWN, _GREY)
    colour = next((colour for most, colour in _TIMES_MS if mean_ms <= most), _RED)
    return _badge(f"response time {duration}", f"{mean_ms:.0f}ms", colour)


def health_badge(state: State) -> str:
    """Draw the present state."""
    return _badge("health", str(state), _STATES.get(state, _GREY))


def health_for_shields(state: State) -> dict[str, str | int]:
    """Return the present state as https://shields.io/badges/endpoint-badge expects it."""
    colour = _NAMES_OF_SHIELDS.get(state, "lightgrey")
    return {"schemaVersion": 1, "label": "health", "message": str(state), "color": colour}


def _badge(label: str, value: str, colour: str) -> str:
    left, right = _width(label), _width(value)
    words = f"{escape(label)}: {escape(value)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="{words}">'
        f"<title>{words}</title>"
        f'<clipPath id="r"><rect width="{left + right}" height="20" rx="4"/></clipPath>'
        f'<g clip-path="url(#r)"><path fill="#3b4046" d="M0 0h{left}v20H0z"/>'
        f'<path fill="{colour}" d="M{left} 0h{right}v20H{left}z"/></g>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11">'
        f"{_text(label, left / 2, left)}{_text(value, left + right / 2, right)}</g></svg>\n"
    )


def _text(text: str, middle: float, width: int) -> str:
    return f'<text x="{middle:g}" y="14" textLength="{width - _PADDING_PX}">{escape(text)}</text>'


def _width(text: str) -> int:
    letters = (_NARROW_PX if one in _NARROW else _WIDE_PX if one in _WIDE else _USUAL_PX for one in text)
    return round(sum(letters)) + _PADDING_PX
