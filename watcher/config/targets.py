"""`config.yaml` to targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from watcher.config.address import complaint_about
from watcher.config.connecting import CONNECTING_KEYS, read_connecting
from watcher.config.entries import ConfigFile, Options, UrlEntry
from watcher.config.expectations import EXPECTED_KEYS, read_expectations
from watcher.config.mistakes import ConfigurationError, Mistake, Place, by_place, shown
from watcher.config.patterns import Patterns
from watcher.config.sending import SENDING_KEYS, read_sending
from watcher.config.shape import shape_text
from watcher.config.times import THRESHOLD_KEYS, read_thresholds, read_times
from watcher.config.yaml_tree import Document, parse_yaml
from watcher.model.redaction import without_secrets
from watcher.model.target import Target
from watcher.model.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watcher.config.complaints import Complain
    from watcher.config.settings import Settings

MAX_NAME_CHARS = 200  # an index of PostgreSQL holds no more than some 2,700 bytes

Part = TypeVar("Part")

_FILE: TypeAdapter[ConfigFile] = TypeAdapter(ConfigFile)
_ENTRY: TypeAdapter[UrlEntry] = TypeAdapter(UrlEntry)
_OPTIONS: TypeAdapter[Options] = TypeAdapter(Options)


def load_targets(settings: Settings) -> tuple[Target, ...]:
    """Read the config file that the settings name.

    Returns:
        the targets, in the order of the file.

    Raises:
        ConfigurationError: with every mistake in the file.
    """
    try:
        content = settings.config_file.read_bytes()
    except OSError as error:
        text = f"{str(settings.config_file)!r} cannot be read: {error.strerror}; correct the path, or make the file"
        raise ConfigurationError([Mistake(settings.config_file_place, "CONFIG_FILE_PATH", text)]) from error
    return parse_targets(str(settings.config_file), content, settings)


def parse_targets(source: str, content: bytes, settings: Settings) -> tuple[Target, ...]:
    """Turn the content of a config file into targets; see `load_targets`."""
    document = parse_yaml(source, content)
    if document.data is None:
        text = "is missing; list what to watch, as in `urls: [{address: https://example.com/}]`"
        raise ConfigurationError([Mistake(Place(source, 1, 1), "urls", text)])
    return _Builder(document, settings).targets()


class _Builder:
    """Checks a document and makes its targets, collecting every mistake on the way."""

    def __init__(self, document: Document, settings: Settings) -> None:
        self._document = document
        self._settings = settings
        self._folder = settings.config_file.parent
        self._mistakes: dict[Mistake, None] = dict.fromkeys(document.mistakes)  # what is wrong with a default, once
        self._defaults = Options()
        self._patterns = Patterns()
        self._parts: dict[str, Any] = {}

    def targets(self) -> tuple[Target, ...]:
        entries = self._valid_entries()
        self._parts_of(self._defaults, None)  # a mistake in a default is one even where nothing uses it
        targets = [self._target(index, entry) for index, entry in entries]
        self._refuse_doubled_names([(index, target) for (index, _), target in zip(entries, targets, strict=True)])
        if self._mistakes:
            raise ConfigurationError(by_place(self._mistakes))
        return tuple(targets)

    def _valid_entries(self) -> list[tuple[int, UrlEntry]]:
        """Return the entries that have the right shape, so that one bad entry hides no mistake in the others."""
        data = self._document.data if isinstance(self._document.data, dict) else {}
        raw = data.get("urls")
        if raw == []:
            self._complain(("urls",), "is empty; list what to watch, as in `- address: https://example.com/`")
        if data.get("defaults", data) is None:
            self._complain(("defaults",), "is empty; write a value, or remove the key")
        try:
            file = _FILE.validate_python(self._document.data)
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False)
            for detail in details:
                self._complain(
                    detail["loc"], shape_text(detail["loc"], detail), key=detail["type"] == "extra_forbidden"
                )
            bad = {detail["loc"][1] for detail in details if len(detail["loc"]) > 1 and detail["loc"][0] == "urls"}
            if data.get("defaults") and not any(detail["loc"][0] == "defaults" for detail in details):
                self._defaults = _OPTIONS.validate_python(data["defaults"])
            good = [pair for pair in enumerate(raw) if pair[0] not in bad] if isinstance(raw, list) else []
            return [(index, _ENTRY.validate_python(entry)) for index, entry in good]
        self._defaults = file.get("defaults") or Options()
        return list(enumerate(file["urls"]))

    def _target(self, index: int, entry: UrlEntry) -> Target:
        address = entry["address"]
        complain = self._complainer(index, entry)
        if complaint := complaint_about(address):
            complain(("address",), f"{shown(without_secrets(address))} {complaint}")
        shown_address = one_line(without_secrets(address), limit_chars=2000)
        name = entry.get("name")
        self._refuse_empty(entry, complain)
        self._refuse_bad_name("name", name, complain)
        sending, connecting, expected, thresholds, times, group = self._parts_of(entry, index)
        return Target(
            name=one_line(shown_address, limit_chars=MAX_NAME_CHARS) if name is None else name,
            address=address,
            shown_address=shown_address,
            group=group,
            interval_seconds=times.interval_seconds,
            timeout_seconds=times.timeout_seconds,
            retries=times.retries,
            retry_interval_seconds=times.retry_interval_seconds,
            recheck_interval_seconds=times.recheck_interval_seconds,
            enabled=times.enabled,
            thresholds=thresholds,
            sending=sending,
            connecting=connecting,
            expected=expected,
        )

    def _parts_of(self, entry: Options, index: int | None) -> Any:
        """Read all parts of an entry: each that is written in the same way becomes the same object.

        Args:
            entry: what is written.
            index: of the entry, None for the defaults.
        """
        own = {key: value for key, value in entry.items() if key not in {"address", "name"}}
        key = repr(own)  # True and 1 are one key of a dict, but not one JSON
        parts = self._parts.get(key)
        if parts is None:
            before = len(self._mistakes)
            parts = self._read_parts(cast("Options", own), index)
            if len(self._mistakes) == before:
                self._parts[key] = parts
        return parts

    def _read_parts(self, entry: Options, index: int | None) -> Any:
        complain = self._complainer(index, entry)
        values = self._merged(entry)
        if index is None:
            self._refuse_empty(entry, complain)
        self._refuse_bad_name("group", values.get("group"), complain)
        return (
            self._part(values, SENDING_KEYS, lambda: read_sending(values, complain, self._folder)),
            self._part(values, CONNECTING_KEYS, lambda: read_connecting(values, complain, self._folder)),
            self._part(values, EXPECTED_KEYS, lambda: read_expectations(values, complain, self._patterns)),
            self._part(values, THRESHOLD_KEYS, lambda: read_thresholds(values, complain)),
            read_times(entry, values, complain, self._settings),
            values.get("group"),
        )

    def _part(self, values: Options, keys: Sequence[str], read: Callable[[], Part]) -> Part:
        # The values as text, since what is equal in Python need not be the same: 1 and True.
        key = repr([(key, value) for key, value in values.items() if key in keys])
        part: Part | None = self._parts.get(f"{keys[0]} {key}")
        if part is None:
            before = len(self._mistakes)
            part = read()
            if len(self._mistakes) == before:
                self._parts[f"{keys[0]} {key}"] = part
        return part

    def _merged(self, entry: Options) -> Options:
        defaults: Any = self._defaults
        # Of two ways to authorise, the entry's own counts.
        if "basic_auth" in entry or "authorization" in entry:
            defaults = {key: value for key, value in defaults.items() if key not in {"basic_auth", "authorization"}}
        return cast("Options", {**defaults, **entry})

    def _refuse_empty(self, entry: Options, complain: Complain) -> None:
        for key, value in entry.items():
            # Of a value that was forgotten, nobody should think that it is checked.
            empty = value is None or value in ([], {}) or (value == "" and key not in {"address", "name"})
            if empty and not (key == "regex" and value == ""):
                complain((key,), "is empty; write a value, or remove the key")

    def _refuse_bad_name(self, key: str, name: str | None, complain: Complain) -> None:
        if name is not None and (not name.strip() or len(name) > MAX_NAME_CHARS or one_line(name) != name):
            text = f"{shown(name)} is no name; write one line of 1 to {MAX_NAME_CHARS} printable characters"
            complain((key,), text)

    def _refuse_doubled_names(self, targets: Sequence[tuple[int, Target]]) -> None:
        first_indexes: dict[str, int] = {}
        for index, target in targets:
            first = first_indexes.setdefault(target.name, index)
            if first != index:
                text = f"{shown(target.name)} is the name of urls[{first}] too; give one of them another `name`"
                self._complain(("urls", index, "name"), text)

    def _complainer(self, index: int | None, entry: Options) -> Complain:
        def complain(path: tuple[str | int, ...], text: str) -> None:
            mine = index is not None and (path[0] in entry or path[0] not in self._defaults)
            self._complain((*(("urls", index) if mine and index is not None else ("defaults",)), *path), text)

        return complain

    def _complain(self, path: tuple[str | int, ...], text: str, *, key: bool = False) -> None:
        self._mistakes[Mistake(self._document.place_of(path, key=key), _dotted(path), text)] = None


def _dotted(path: Sequence[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
