"""Masks possible secrets in lines of the config files and of `.env`, to show them under mistakes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml
from rich.cells import cell_len

from watcher.config.env.settings_table import DEFAULTS, SETTINGS
from watcher.config.mistakes import did_you_mean
from watcher.config.schema.config_file import EXTENSION
from watcher.config.schema.secret_keys import HARMLESS_KEYS, HOLDERS, looks_secret
from watcher.config.yaml.interpolation import without_secret_defaults
from watcher.config.yaml.loader import MAX_NESTING, MERGE_KEY, TOO_DEEP, error_at, loader_of
from watcher.config.yaml.tree import LINE_BREAK, known_key
from watcher.text.escaping import one_line
from watcher.text.redaction import MASK, quotable, quotable_setting, without_secrets

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from yaml.nodes import Node, ScalarNode

MAX_PART_CHARS = 2000
_TAB = "    "
_CUT = "…"

_LINE = re.compile(
    r"(?P<key>\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]{0,60})\s*=\s*)"
    r"(?P<value>'[^'@#]*'|\"[^\"@#]*\"|[^\s'\"@#]*)(?P<rest>.*)"
)
_HARMLESS = frozenset(setting.key for setting in SETTINGS if not setting.secret)

_TOP = ""  # stands for the key of the whole file
_A_KEY = "?"  # stands for the key of scalars that are keys themselves
_WHOLE_LINE = 1 << 30
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,60}")
_BETWEEN = re.compile(r"[\s\-?:,{}\[\]]+|#.*|[&*!][^\s,{}\[\]]+|[^\s\-?:,{}\[\]#]+")
_BEGINNING = re.compile(r"(?P<before>\s*(?:-\s+)*)(?P<key>[a-z_]+:(?=\s|$)\s*)?")
_SCHEME = re.compile(r"[A-Za-z-]{1,20}")
_NUMBERS = re.compile(r"[0-9\s\[\]{},.-]*")


@dataclass(frozen=True, slots=True)
class LinePart:
    """A part of a line.

    Attributes:
        column: the column in the file where it begins, counted from 0.
        shown: the text to show: that of the file, or masked.
        is_raw: whether `shown` is the text of the file, so that columns inside it are known.
    """

    column: int
    shown: str
    is_raw: bool = True


@dataclass(frozen=True, slots=True)
class MaskedLine:
    """A line in parts, with possible secrets masked."""

    parts: tuple[LinePart, ...]

    @property
    def says_something(self) -> bool:
        """Whether it has text beside masks and punctuation."""
        return any(char.isalnum() for part in self.parts for char in part.shown.replace(MASK, ""))

    def with_caret(self, column: int, max_columns: int) -> tuple[str, str]:
        """Return the line, and a line with a caret below a column of it.

        Args:
            column: the column in the file, counted from 0.
            max_columns: the width of both lines, in columns of a terminal.
        """
        before, after = self._split(column)
        # The text before the caret may take two thirds, or all that the text after it does not need.
        room = max(max_columns * 2 // 3, max_columns - cell_len(after))
        if cell_len(before) > room:
            before = _CUT + _end_of(before, room - 1)
        if cell_len(before) + cell_len(after) > max_columns:
            after = _begin_of(after, max_columns - cell_len(before) - 1) + _CUT
        return f"{before}{after}".rstrip(), " " * cell_len(before) + "^"

    def _split(self, column: int) -> tuple[str, str]:
        before, after = "", ""
        for part, end in zip(self.parts, _ends(self.parts), strict=True):
            if end <= column:
                before += _safe(part.shown)
            elif part.column > column or not part.is_raw:
                after += _safe(part.shown)
            else:
                cut = column - part.column
                before += _safe(part.shown[:cut])
                after += _safe(part.shown[cut:])
        return before, after


def _ends(parts: Sequence[LinePart]) -> Iterable[float]:
    return [*(part.column for part in parts[1:]), *([_end(parts[-1])] if parts else [])]


def _end(part: LinePart) -> float:
    return part.column + len(part.shown) if part.is_raw else float("inf")


def _safe(text: str) -> str:
    return one_line(text.replace("\t", _TAB), limit_chars=MAX_PART_CHARS)


def _begin_of(text: str, max_columns: int) -> str:
    text = text[: max(max_columns, 0)]
    while cell_len(text) > max_columns:
        text = text[:-1]
    return text


def _end_of(text: str, max_columns: int) -> str:
    text = text[max(len(text) - max_columns, 0) :]
    while cell_len(text) > max_columns:
        text = text[1:]
    return text


def masked_env_line(line: str) -> MaskedLine:
    """Return a line of `.env`; its value is masked unless the key is known not to hold a secret."""
    match = _LINE.fullmatch(line)
    if match is None:
        is_key = line.strip() in _HARMLESS
        return MaskedLine((LinePart(0, line if is_key else MASK, is_raw=is_key),))
    value, rest = match["value"], match["rest"].strip()
    is_raw = _is_harmless(match["name"]) and (not rest or (bool(value) and rest.startswith("#")))
    is_raw = not value + rest or (is_raw and quotable_setting(value.strip("'\"")) == value.strip("'\""))
    return MaskedLine((LinePart(0, match["key"]), LinePart(match.end("key"), value if is_raw else MASK, is_raw=is_raw)))


def _is_harmless(name: str) -> bool:
    if name in _HARMLESS or (name.removesuffix("_FILE") in DEFAULTS and name not in DEFAULTS):
        return True
    return not looks_secret(name) and any(did_you_mean(name, [key]) for key in _HARMLESS)


def masked_lines(text: str, wanted: Collection[int]) -> dict[int, MaskedLine]:
    """Return lines of a config file, by their numbers, with possible secrets masked.

    Args:
        text: the whole file.
        wanted: numbers of lines, counted from 1; lines that do not exist are left out.
    """
    lines = dict(enumerate(LINE_BREAK.split(text), start=1))
    lines = {number: lines[number] for number in wanted if number in lines}
    try:
        scalars = _Scalars(loader_of(text).get_single_node())
    except (yaml.YAMLError, RecursionError):  # the lines cannot be parsed
        return {number: _beginning(line) for number, line in lines.items()}
    spans: dict[int, list[tuple[int, int, str | None]]] = {number: [] for number in lines}
    for node, keys in scalars.found.values():
        start, end = node.start_mark, node.end_mark
        for number in lines.keys() & range(start.line + 1, end.line + 2):
            column = start.column if number == start.line + 1 else 0
            until = end.column if number == end.line + 1 else _WHOLE_LINE
            if until > column:
                shown = _shown_scalar(lines[number][column:until], node.value, keys)
                # One line of a longer value is masked: a part of an address may be anything.
                spans[number].append((column, until, MASK if shown is not None and start.line != end.line else shown))
    return {number: MaskedLine(tuple(_parts(line, sorted(spans[number])))) for number, line in lines.items()}


class _Scalars:
    """The scalars of a document, each with the known keys where it is used; None is a key that may have a secret."""

    def __init__(self, root: Node | None) -> None:
        self.found: dict[int, tuple[ScalarNode, set[str | None]]] = {}
        self._seen: set[tuple[int, str | None]] = set()  # aliases can multiply a few nodes into millions
        if root is not None:
            self._note(root, _TOP, 0)

    def _note(self, node: Node, key: str | None, depth: int) -> None:
        if (id(node), key) in self._seen:
            return
        self._seen.add((id(node), key))
        if depth > MAX_NESTING:
            raise error_at(node, TOO_DEEP)
        if isinstance(node, yaml.ScalarNode):
            self.found.setdefault(id(node), (node, set()))[1].add(key)
        elif isinstance(node, yaml.SequenceNode):
            for part in node.value:
                self._note(part, key, depth + 1)
        else:
            for name, value in node.value:
                text = name.value if isinstance(name, yaml.ScalarNode) else None
                self._note(name, None if text is None else _A_KEY, depth + 1)
                if text != MERGE_KEY:
                    self._note(value, None if text is None else known_key(text, key), depth + 1)
                elif isinstance(value, yaml.SequenceNode):
                    self._note_bases(value.value, key, depth + 2)
                else:
                    self._note_bases([value], key, depth + 1)

    def _note_bases(self, bases: Iterable[Node], key: str | None, depth: int) -> None:
        for base in bases:  # text in place of a mapping may be a secret
            self._note(base, None if isinstance(base, yaml.ScalarNode) else key, depth)


def _shown_scalar(written: str, value: str, keys: set[str | None]) -> str | None:
    """Return the text to show for a scalar, None if all of it is shown."""
    # The name of an alias, an anchor or a tag may be a password that was not put in quotes.
    is_secret = None in keys or keys == {EXTENSION} or not HOLDERS.isdisjoint(keys)
    if is_secret or written.startswith(("&", "!")):
        return MASK
    if _A_KEY in keys:
        return None if _PLAIN_KEY.fullmatch(value) or written == MERGE_KEY else MASK
    return next((shown for key in keys if (shown := _shown_value(value, key or _TOP)) is not None), None)


def _shown_value(value: str, key: str) -> str | None:
    if (key == "username" and ":" in value) or (key == "type" and not _SCHEME.fullmatch(value)):
        return MASK
    value = without_secret_defaults(written := value)
    masked = without_secrets(value) if key in {"address", "urls", _TOP} else quotable(value)
    return None if masked == written else masked


def _parts(line: str, scalars: Iterable[tuple[int, int, str | None]]) -> Iterator[LinePart]:
    done = 0
    for begin, end, shown in scalars:
        yield from _between(line, done, begin)
        yield LinePart(begin, line[begin:end]) if shown is None else LinePart(begin, shown, is_raw=False)
        done = min(end, len(line))
    yield from _between(line, done, len(line))


def _between(line: str, begin: int, end: int) -> Iterator[LinePart]:
    """Yield punctuation between two values as it is; mask anchors, tags and other text; leave comments out."""
    for match in _BETWEEN.finditer(line, begin, end):
        if match[0].startswith("#"):
            return
        is_punctuation = match[0][0].isspace() or match[0][0] in "-?:,{}[]"
        yield LinePart(match.start(), match[0] if is_punctuation else MASK, is_raw=is_punctuation)


def _beginning(line: str) -> MaskedLine:
    """Mask a line that cannot be parsed, except its indentation, a known key, and a value of numbers."""
    match = _BEGINNING.match(line)
    assert match is not None  # all of it may be `rest`
    is_harmless = match["key"] is not None and match["key"].rstrip().rstrip(":") in HARMLESS_KEYS
    end = match.end("key") if is_harmless else match.end("before")
    is_raw = is_harmless and _NUMBERS.fullmatch(line, end) is not None
    rest = [LinePart(end, line[end:] if is_raw else MASK, is_raw=is_raw)] if line[end:] else []
    return MaskedLine((LinePart(0, line[:end]), *rest))
