"""Lines of the config files and of `.env` as they may be shown: with a mask in the place of what may be a secret."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from rich.cells import cell_len

from watcher.config.env.settings_table import DEFAULTS, SETTINGS
from watcher.config.mistakes import did_you_mean
from watcher.config.schema.secret_keys import HARMLESS_KEYS, harmless_key, looks_secret
from watcher.config.yaml.interpolation import without_secret_defaults
from watcher.config.yaml.loader import MERGE_KEY, loader_of
from watcher.text.escaping import one_line
from watcher.text.redaction import MASK, quotable, quotable_setting, without_secrets

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

MAX_PART_CHARS = 2000
_TAB = "    "
_CUT = "…"

_LINE = re.compile(r"(?P<key>\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]{0,60}))(?P<equals>\s*=\s*)(?P<value>.*)")
_PLAIN = re.compile(r"'[^'@#]*'|\"[^\"@#]*\"|[^\s'\"@#]+")
_HARMLESS = frozenset(setting.key for setting in SETTINGS if not setting.secret)

_TOP = ""  # the key of what is in no mapping
_HOLDERS = frozenset(
    {"basic_auth", "authorization", "channels", "webhook", "alertmanager", "heartbeat"}
)  # text in the place of the mapping may be the secret itself
_WHOLE_LINE = 1 << 30
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # as YAML counts lines
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,60}")
_BETWEEN = re.compile(r"[\s\-?:,{}\[\]]+|#.*|[^\s\-?:,{}\[\]#]+")
_BEGINNING = re.compile(r"(?P<before>\s*(?:-\s+)*(?P<key>[a-z_]+):(?=\s|$)\s*|\s*(?:-\s+)*)(?P<rest>.*)", re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z-]{1,20}")
# Where they may stand; the `*` of patterns and the `&` of addresses mostly stand elsewhere.
_ANCHOR = re.compile(r"(?<![^\s,\[\]{}:?\"'-])&[\w-]")
_ALIAS = re.compile(r"(?<![^\s,\[\]{}:?\"'-])\*[\w-]")
_NUMBERS = re.compile(r"[0-9\s\[\]{},.-]*")


@dataclass(frozen=True, slots=True)
class LinePart:
    """A part of a line.

    Attributes:
        column: where it begins in the file, counted from 0.
        shown: what is shown of it, as it is in the file or masked.
        is_raw: whether it is shown as it is in the file, so that columns inside it can be told.
    """

    column: int
    shown: str
    is_raw: bool = True


@dataclass(frozen=True, slots=True)
class MaskedLine:
    """What may be shown of a line."""

    parts: tuple[LinePart, ...]

    @property
    def says_something(self) -> bool:
        """Whether anything is left beside masks and punctuation."""
        return any(char.isalnum() for part in self.parts for char in part.shown.replace(MASK, ""))

    def with_caret(self, column: int, max_columns: int) -> tuple[str, str]:
        """Return the line and the one below it, with the caret.

        Args:
            column: of the file, counted from 0.
            max_columns: the width of both, in columns of a terminal.
        """
        before, after = self._split(column)
        # What is before the caret may take two thirds, or all that is not needed behind it.
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
    """Return the line with a mask for its value, but where the key surely holds no secret."""
    match = _LINE.fullmatch(line)
    if match is None:
        return MaskedLine((LinePart(0, line),) if line.strip() in _HARMLESS else (LinePart(0, MASK, is_raw=False),))
    value, begin = match["value"], match.start("value")
    if not value:
        return MaskedLine((LinePart(0, line),))
    match_of_value = _PLAIN.match(value)
    end_of_value = match_of_value.end() if match_of_value else 0
    rest = value[end_of_value:].strip()
    plain = value[:end_of_value].strip("'\"")
    is_whole = not rest or rest.startswith("#")
    is_raw = _is_harmless(match["name"]) and is_whole and end_of_value > 0 and quotable_setting(plain) == plain
    shown = LinePart(begin, value[:end_of_value]) if is_raw else LinePart(begin, MASK, is_raw=False)
    return MaskedLine((LinePart(0, match["key"] + match["equals"]), shown))


def _is_harmless(name: str) -> bool:
    if name in _HARMLESS or (name.removesuffix("_FILE") in DEFAULTS and name not in DEFAULTS):
        return True
    return not looks_secret(name) and any(did_you_mean(name, [key]) for key in _HARMLESS)


def masked_lines(text: str, wanted: Collection[int]) -> dict[int, MaskedLine]:
    """Return the lines that are wanted, by their numbers, which begin at 1.

    Args:
        text: of the whole file.
        wanted: numbers of lines; those that are not there are left out.
    """
    lines = dict(enumerate(_BREAK.split(text), start=1))
    wanted = {number for number in wanted if number in lines}
    try:
        scalars = _Walk(wanted, _secret_anchors(text)).scalars(text)
    except yaml.YAMLError:  # nobody can tell what is part of what
        return {number: _beginning(lines[number]) for number in wanted}
    return {number: MaskedLine(tuple(_parts(lines[number], scalars.get(number, [])))) for number in wanted}


@dataclass(slots=True)
class _Collection:
    """A mapping or a list whose end has not come.

    Attributes:
        is_mapping: whether it is a mapping.
        key: the known key that it stands at; None where what stands in it may be a secret.
        anchor: its own, or that of the closest collection around it that has one.
        awaits_value: whether a key of the mapping has come whose value has not.
        key_of_value: the known key that this one is, None where its value may be a secret.
    """

    is_mapping: bool
    key: str | None
    anchor: str
    awaits_value: bool = False
    key_of_value: str | None = None

    @property
    def awaits_key(self) -> bool:
        return self.is_mapping and not self.awaits_value

    def key_meant_by(self, text: str) -> str | None:
        return None if self.key is None else harmless_key(text, self.key or None)

    def take_key(self, key: str | None) -> None:
        self.awaits_value = True
        self.key_of_value = None if self.key is None else key

    def take_value(self) -> str | None:
        """Return the known key of the value that comes now."""
        self.awaits_value = False
        return self.key_of_value if self.is_mapping else self.key


class _Walk:
    """Goes through the scalars of a file; what aliases repeat where secrets stand is known before."""

    def __init__(self, wanted: Collection[int], secrets: Collection[str] = ()) -> None:
        self._wanted = wanted
        self._secrets = secrets  # the anchors of what may be a secret
        self._found: dict[int, list[tuple[int, int, str | None]]] = {}
        # By the anchor around; None: where secrets stand.
        self.anchors_in: dict[str | None, set[str]] = defaultdict(set)

    def scalars(self, text: str) -> dict[int, list[tuple[int, int, str | None]]]:
        """Return by line where scalars begin and end, and what is shown of them (None: what is there)."""
        open_ones = [_Collection(is_mapping=False, key=_TOP, anchor=_TOP)]
        loader = loader_of(text)
        while loader.check_event():
            event, within = loader.get_event(), open_ones[-1]
            if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                open_ones.append(self._collection(event, within))
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                open_ones.pop()
            elif isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent)):
                self._scalar(event, within)
        return self._found

    def _collection(self, event: Any, within: _Collection) -> _Collection:
        key = None
        if within.awaits_key:
            within.take_key(None)
        else:
            key = within.take_value()
        anchor = event.anchor
        if anchor is not None:
            self.anchors_in[within.anchor].add(anchor)
            key = None if anchor in self._secrets else key
        return _Collection(isinstance(event, yaml.MappingStartEvent), key, anchor or within.anchor)

    def _scalar(self, event: Any, within: _Collection) -> None:
        lines = [line for line in range(event.start_mark.line + 1, event.end_mark.line + 2) if line in self._wanted]
        value = event.value if isinstance(event, yaml.ScalarEvent) else ""
        # The name of an alias, an anchor or a tag may be a password that was not put in quotes.
        is_plain = isinstance(event, yaml.ScalarEvent) and event.anchor is None and event.tag is None
        if within.awaits_key:
            is_merge = is_plain and value == MERGE_KEY and event.implicit[0]
            within.take_key(within.key if is_merge else within.key_meant_by(value))
            shown = None if is_merge or (is_plain and _PLAIN_KEY.fullmatch(value)) else MASK
        else:
            key = within.take_value()
            if isinstance(event, yaml.AliasEvent) and event.anchor is not None:
                self.anchors_in[None if key is None else within.anchor].add(event.anchor)
            shown = MASK if key is None or key in _HOLDERS or not is_plain else _shown_value(value, key)
        for line in lines:
            self._note(line, event, shown)

    def _note(self, line: int, event: Any, shown: str | None) -> None:
        begin, end = event.start_mark, event.end_mark
        column = begin.column if line == begin.line + 1 else 0
        until = end.column if line == end.line + 1 else _WHOLE_LINE
        if until > column:
            # Of a part of an address nobody can tell what it is.
            is_part = begin.line != end.line and shown is not None
            self._found.setdefault(line, []).append((column, until, MASK if is_part else shown))


def _secret_anchors(text: str) -> set[str]:
    """Return the anchors of what aliases repeat where secrets stand, and of what stands inside."""
    if not (_ANCHOR.search(text) and _ALIAS.search(text)):  # to walk twice takes twice the time
        return set()
    walk = _Walk(())
    walk.scalars(text)
    found: set[str] = set()
    left = set(walk.anchors_in[None])
    while left:
        found |= left
        left = {inner for anchor in left for inner in walk.anchors_in[anchor]} - found
    return found


def _shown_value(value: str, key: str) -> str | None:
    if (key == "username" and ":" in value) or (key == "type" and not _SCHEME.fullmatch(value)):
        return MASK
    value = without_secret_defaults(written := value)
    masked = without_secrets(value) if key in {"address", "urls", _TOP} else quotable(value)
    return None if masked == written else masked


def _parts(line: str, scalars: list[tuple[int, int, str | None]]) -> Iterator[LinePart]:
    done = 0
    for begin, end, shown in scalars:
        yield from _between(line, done, begin)
        yield LinePart(begin, line[begin:end]) if shown is None else LinePart(begin, shown, is_raw=False)
        done = min(end, len(line))
    yield from _between(line, done, len(line))


def _between(line: str, begin: int, end: int) -> Iterator[LinePart]:
    """Between two values stand punctuation and comments; anchors, tags and what is not understood are masked."""
    for match in _BETWEEN.finditer(line, begin, end):
        if match[0].startswith("#"):
            return
        is_punctuation = match[0][0].isspace() or match[0][0] in "-?:,{}[]"
        yield LinePart(match.start(), match[0] if is_punctuation else MASK, is_raw=is_punctuation)


def _beginning(line: str) -> MaskedLine:
    """Keep of a line of unknown meaning its indentation, a known key, and a value of nothing but numbers."""
    match = _BEGINNING.fullmatch(line)
    assert match is not None  # all of it may be `rest`
    parts = [LinePart(0, match["before"])]
    if match["key"] is not None and match["key"] not in HARMLESS_KEYS:
        parts, rest = [LinePart(0, match["before"][: match.start("key")])], line[match.start("key") :]
    else:
        rest = match["rest"]
    if rest:
        is_raw = match["key"] in HARMLESS_KEYS and _NUMBERS.fullmatch(rest) is not None
        parts.append(LinePart(len(line) - len(rest), rest if is_raw else MASK, is_raw=is_raw))
    return MaskedLine(tuple(parts))
