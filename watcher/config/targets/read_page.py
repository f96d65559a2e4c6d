"""Reads the options of the status page."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from watcher.config.mistakes import shown
from watcher.config.schema.limits import MAX_INTRO_CHARS, MAX_LOGO_BYTES, MAX_NAME_CHARS
from watcher.config.secret_files import bytes_of
from watcher.model.page_options import Logo, PageOptions
from watcher.text.escaping import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from watcher.config.targets.mistake_list import Mistakes
    from watcher.config.targets.validation import ValidFile

_SVG_START = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?>(?:<!--.*?-->|<\?.*?\?>|<![a-z][^>]*>)\s*)*+<svg[\s>]", re.IGNORECASE | re.DOTALL
)
# By the first bytes of a file, since its name may be wrong.
_KINDS = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (_SVG_START, "image/svg+xml"),
)


def read_page(files: Iterable[ValidFile], mistakes: Mistakes) -> PageOptions:
    """Read the options of the status page.

    Args:
        files: all files; only one may have `page`.
        mistakes: collects mistakes.
    """
    written = [file for file in files if file.page]
    for other in written[1:]:
        first = written[0].document.place_of(("page",), key=True)
        text = f"is written in {first} too, and holds for all files of the folder; keep one of them"
        mistakes.complain(other.document, ("page",), text, key=True)
    return _read(written[0], mistakes) if written else PageOptions()


def _read(file: ValidFile, mistakes: Mistakes) -> PageOptions:
    page = file.page

    def complain(key: str, text: str) -> None:
        mistakes.complain(file.document, ("page", key), text)

    for key, value in page.items():
        if value is None or value in ("", []):
            complain(key, "is empty; write a value, or remove the key")
    title, intro, groups = page.get("title"), page.get("intro"), page.get("public_groups")
    if title and (not title.strip() or len(title) > MAX_NAME_CHARS or one_line(title) != title):
        complain("title", f"{shown(title)} is not one line of 1 to {MAX_NAME_CHARS} printable characters")
    if intro and (not intro.strip() or len(intro) > MAX_INTRO_CHARS):
        complain("intro", f"{shown(intro)} is not a text of 1 to {MAX_INTRO_CHARS} characters")
    logo = None
    if logo_file := page.get("logo_file"):
        try:
            logo = _logo_of(file.path.parent / logo_file)
        except ValueError as error:
            complain("logo_file", str(error))
    return PageOptions(title or None, intro or None, logo, frozenset(groups) if groups else None)


def _logo_of(path: Path) -> Logo:
    content = bytes_of(path, MAX_LOGO_BYTES, "a smaller picture")
    for start, media_type in _KINDS:
        if start.match(content):
            return Logo(str(path), content, media_type, hashlib.sha256(content).hexdigest()[:12])
    raise ValueError(f"{shown(str(path))} is neither PNG, SVG, WebP nor JPEG; name a picture of one of these kinds")
