"""`config.yaml` to targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import re2
from pydantic import BaseModel, ConfigDict, ValidationError

from watcher.config.address import complaint_about
from watcher.config.mistakes import ConfigurationError, Mistake, Place, by_place, did_you_mean, shown
from watcher.config.yaml_tree import Document, parse_yaml
from watcher.model.redaction import without_secrets
from watcher.model.target import DEFAULT_INTERVAL_SECONDS, DEFAULT_TIMEOUT_SECONDS, Target
from watcher.model.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_core import ErrorDetails

    from watcher.config.settings import Settings

# RE2 takes time proportional to body times program; this keeps the worst pattern to seconds on a full body.
MAX_REGEX_PROGRAM_STEPS = 5000
MAX_NAME_CHARS = 200


class UrlEntry(BaseModel):
    """One entry of `urls`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    address: str
    name: str | None = None
    interval: float | None = None
    timeout: float | None = None
    regex: str | None = None


class ConfigFile(BaseModel):
    """The whole of `config.yaml`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    urls: list[UrlEntry]


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
        self._mistakes = list(document.mistakes)

    def targets(self) -> tuple[Target, ...]:
        entries = self._valid_entries()
        targets = [self._target(index, entry) for index, entry in entries]
        self._refuse_doubled_names([(index, target) for (index, _), target in zip(entries, targets, strict=True)])
        if self._mistakes:
            raise ConfigurationError(by_place(self._mistakes))
        return tuple(targets)

    def _valid_entries(self) -> list[tuple[int, UrlEntry]]:
        """Return the entries that have the right shape, so that one bad entry hides no mistake in the others."""
        raw = self._document.data.get("urls") if isinstance(self._document.data, dict) else None
        if raw == []:
            self._complain(("urls",), "is empty; list what to watch, as in `- address: https://example.com/`")
        try:
            return list(enumerate(ConfigFile.model_validate(self._document.data).urls))
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False)
            # A key that is no text is among the document's own mistakes.
            self._mistakes.extend(self._shape_mistake(detail) for detail in details if detail["type"] != "invalid_key")
            bad = {detail["loc"][1] for detail in details if len(detail["loc"]) > 1}
            good = [pair for pair in enumerate(raw) if pair[0] not in bad] if isinstance(raw, list) else []
            return [(index, UrlEntry.model_validate(entry)) for index, entry in good]

    def _shape_mistake(self, detail: ErrorDetails) -> Mistake:
        path = detail["loc"]
        unknown = detail["type"] == "extra_forbidden"
        place = self._document.place_of(path, key=unknown)
        return Mistake(place, _dotted(path), _shape_text(path, detail))

    def _target(self, index: int, entry: UrlEntry) -> Target:
        for key in entry.model_fields_set:
            # Of a value that was forgotten, nobody should think that it is checked.
            if getattr(entry, key) is None or (key == "regex" and not entry.regex):
                self._complain(("urls", index, key), "is empty; write a value, or remove the key")
        complaint = complaint_about(entry.address)
        if complaint:
            self._complain(("urls", index, "address"), f"{shown(without_secrets(entry.address))} {complaint}")
        interval_seconds = self._interval_seconds(index, entry)
        shown_address = one_line(without_secrets(entry.address), limit_chars=2000)
        return Target(
            name=self._name(index, entry, shown_address),
            address=entry.address,
            shown_address=shown_address,
            interval_seconds=interval_seconds,
            timeout_seconds=self._timeout_seconds(index, entry, interval_seconds),
            regex=self._regex(index, entry),
        )

    def _name(self, index: int, entry: UrlEntry, shown_address: str) -> str:
        if entry.name is None:
            return shown_address
        if not entry.name.strip() or len(entry.name) > MAX_NAME_CHARS or one_line(entry.name) != entry.name:
            text = f"{shown(entry.name)} is no name; write one line of 1 to {MAX_NAME_CHARS} printable characters"
            self._complain(("urls", index, "name"), text)
        return entry.name

    def _interval_seconds(self, index: int, entry: UrlEntry) -> float:
        low, high = self._settings.min_interval_seconds, self._settings.max_interval_seconds
        if entry.interval is None:
            return min(max(DEFAULT_INTERVAL_SECONDS, low), high)
        path = ("urls", index, "interval")
        if not 0 < entry.interval < float("inf"):
            self._complain(path, f"{entry.interval:g} is no finite number above zero; write seconds, as in 10")
        elif entry.interval < low:
            self._complain(
                path, f"{entry.interval:g} is below MIN_INTERVAL_VAL={low:g}; lower that in .env, or raise this"
            )
        elif entry.interval > high:
            self._complain(
                path, f"{entry.interval:g} is above MAX_INTERVAL_VAL={high:g}; raise that in .env, or lower this"
            )
        return entry.interval

    def _timeout_seconds(self, index: int, entry: UrlEntry, interval_seconds: float) -> float:
        if entry.timeout is None:
            return min(DEFAULT_TIMEOUT_SECONDS, interval_seconds)
        if not 0 < entry.timeout < float("inf"):
            text = f"{entry.timeout:g} is no finite number above zero; write seconds, as in 5"
            self._complain(("urls", index, "timeout"), text)
        elif entry.timeout > interval_seconds:
            text = f"{entry.timeout:g} is above the interval of {interval_seconds:g}; lower it, or raise the interval"
            self._complain(("urls", index, "timeout"), text)
        return entry.timeout

    def _regex(self, index: int, entry: UrlEntry) -> Any:
        if entry.regex is None:
            return None
        options = re2.Options()
        options.log_errors = False  # RE2 would write to stderr itself
        path = ("urls", index, "regex")
        try:
            compiled = re2.compile(entry.regex.encode(), options=options)
        except (re2.error, UnicodeEncodeError) as error:
            reason = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
            text = f"{shown(entry.regex)} is no regular expression: {reason}; https://github.com/google/re2/wiki/Syntax"
            self._complain(path, text)
            return None
        if compiled.programsize > MAX_REGEX_PROGRAM_STEPS:
            size = f"{compiled.programsize} steps, {MAX_REGEX_PROGRAM_STEPS} is the limit"
            self._complain(path, f"{shown(entry.regex)} is too large ({size}); simplify it")
        return compiled

    def _refuse_doubled_names(self, targets: Sequence[tuple[int, Target]]) -> None:
        first_indexes: dict[str, int] = {}
        for index, target in targets:
            first = first_indexes.setdefault(target.name, index)
            if first != index:
                text = f"{shown(target.name)} is the name of urls[{first}] too; give one of them another `name`"
                self._complain(("urls", index, "name"), text)

    def _complain(self, path: tuple[str | int, ...], text: str) -> None:
        self._mistakes.append(Mistake(self._document.place_of(path), _dotted(path), text))


def _shape_text(path: Sequence[str | int], detail: ErrorDetails) -> str:
    kind, value = detail["type"], detail["input"]
    if isinstance(value, str):
        value = without_secrets(value)  # it may be an address, as in `- https://user:password@example.com/`
    if kind == "missing":
        return "is missing; add it"
    if kind == "extra_forbidden":
        known = UrlEntry.model_fields if len(path) > 1 else ConfigFile.model_fields
        return f"unknown key{did_you_mean(str(path[-1]), known) or '; known are ' + ', '.join(known)}"
    if kind == "string_type":
        return f"{shown(value)} is no text; put it in quotes"
    if kind.startswith("float"):
        return f"{shown(value)} is no number; write seconds, as in 10"
    if kind == "list_type":
        return "must be a list; write one `- address: https://example.com/` a line under it"
    if kind == "model_type" and len(path) > 1:
        return f"{shown(value)} is no mapping; write `- address: https://example.com/`"
    if kind == "model_type":
        return "the file must be a mapping with the key `urls`; write `urls:` above the list"
    return detail["msg"]


def _dotted(path: Sequence[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
