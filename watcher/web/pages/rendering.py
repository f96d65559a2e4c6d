"""Renders the templates: their globals, and the parts that all pages share; autoescaping is on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from watcher import __version__
from watcher.alerting.silences.orders import covered_words
from watcher.model.state import State
from watcher.model.wording import duration, why
from watcher.text.timestamps import timestamp
from watcher.web.pages import charts, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.model.page_options import Logo, PageOptions

DEFAULT_TITLE = "Status"
STATIC = files("watcher.web").joinpath("static")

_SHAPES = {
    State.UP: "M6 0a6 6 0 1 0 0 12A6 6 0 0 0 6 0zM5 8.6 2.6 6.2l.9-.9L5 6.8l3.5-3.5.9.9z",
    State.DOWN: "M6 0 12 6 6 12 0 6z",
    State.DEGRADED: "M6 .5 12 11.5H0z",
    State.MAINTENANCE: "M0 2h12v3H0zM0 7h12v3H0z",
    State.PAUSED: "M1 0h4v12H1zM7 0h4v12H7z",
}
_RING = "M6 0a6 6 0 1 0 0 12A6 6 0 0 0 6 0zm0 2a4 4 0 1 1 0 8 4 4 0 0 1 0-8z"


@dataclass(frozen=True, slots=True)
class Look:
    """The parts that all pages share.

    Attributes:
        title: of the whole site.
        root: the prefix of all paths, without a trailing slash.
        public: whether addresses, reasons and details stay hidden.
        intro: the operator's text, one item a paragraph; empty for none.
        logo: the operator's picture, or None.
        sign_in: whether a viewer of the public page may sign in.
        may_write: whether this viewer may silence and acknowledge.
    """

    title: str = DEFAULT_TITLE
    root: str = ""
    public: bool = False
    intro: tuple[str, ...] = ()
    logo: Logo | None = None
    sign_in: bool = False
    may_write: bool = False

    @classmethod
    def of(cls, page: PageOptions, *, root: str, public: bool, sign_in: bool = False, may_write: bool = False) -> Look:
        """Combine the operator's options with the viewer's rights."""
        intro = tuple(line for line in map(str.strip, (page.intro or "").splitlines()) if line)
        return cls(page.title or DEFAULT_TITLE, root, public, intro, page.logo, sign_in and public, may_write)


def pieces_of(template: str, look: Look, **values: Any) -> Iterator[str]:
    """Write a page piece by piece, so that the caller can let other tasks run in between.

    Args:
        template: the name of its file.
        look: the parts that all pages share.
        values: the variables of the template.
    """
    return _ENVIRONMENT.get_template(template).generate(look=look, **values)


def static_file(name: str) -> bytes:
    """Return a file that pages load.

    Raises:
        KeyError: there is no file of this name.
    """
    return _FILES[name]


@cache
def mark(state: State) -> Markup:
    """Draw the shape of a state, and write its word: a colour is never the only sign."""
    return Markup('<span class="state {}">{}{}</span>').format(state, shape(state), str(state).capitalize())


@cache
def shape(state: State | str) -> Markup:
    """Draw the shape of a state alone, for use beside its word."""
    return Markup(
        '<svg class="shape {}" viewBox="0 0 12 12" aria-hidden="true"><path fill-rule="evenodd" d="{}"/></svg>'
    ).format(state, _SHAPES.get(State(state), _RING))


def _icon(state: State | str) -> str:
    """Return the icon of a page by state, so that its tab shows trouble in the background."""
    name = f"icon-{state}.svg"
    name = name if name in _FILES else "icon.svg"
    return f"{name}?v={_DIGESTS[name]}"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("watcher.web.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals |= {
        "words": words,
        "timestamp": timestamp,
        "charts": charts,
        "duration": duration,
        "why": why,
        "mark": mark,
        "shape": shape,
        "icon": _icon,
        "covered": covered_words,
        "version": __version__,
        "digests": _DIGESTS,
    }
    return environment


_FILES = {entry.name: entry.read_bytes() for entry in STATIC.iterdir() if entry.name.endswith((".css", ".js", ".svg"))}
_DIGESTS = {name: hashlib.sha256(content).hexdigest()[:12] for name, content in _FILES.items()}
_ENVIRONMENT = _environment()
