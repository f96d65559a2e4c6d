"""Builds the targets from `config.yaml`."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from watcher.config.alerts.common import complaint_about_name, is_name
from watcher.config.alerts.read_told import TOLD_KEYS, read_told
from watcher.config.mistakes import ConfigurationError, Mistake, Place, shown
from watcher.config.schema.limits import MAX_NAME_CHARS
from watcher.config.sources import Source
from watcher.config.targets.address import complaint_about
from watcher.config.targets.mistake_list import Mistakes
from watcher.config.targets.patterns import Patterns
from watcher.config.targets.read_alerting import names_of_channels, read_alerting
from watcher.config.targets.read_connection import CONNECTING_KEYS, read_connecting
from watcher.config.targets.read_dependencies import settled
from watcher.config.targets.read_expectations import EXPECTED_KEYS, read_expectations
from watcher.config.targets.read_page import read_page
from watcher.config.targets.read_places import read_places
from watcher.config.targets.read_request import SENDING_KEYS, read_sending
from watcher.config.targets.read_times import THRESHOLD_KEYS, read_thresholds, read_times
from watcher.config.targets.validation import ValidFile, joined_defaults, validated
from watcher.config.yaml.config_files import config_files, read_config_file
from watcher.config.yaml.document import Document, parse_yaml
from watcher.model.alerts.of_target import NOTHING_SAID
from watcher.model.target import Target
from watcher.text.escaping import one_line
from watcher.text.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from watcher.config.env.settings import Settings
    from watcher.config.mistakes import Complain
    from watcher.config.schema.config_file import Options, UrlEntry
    from watcher.config.targets.read_alerting import Inspect
    from watcher.model.alerts.of_target import TargetAlerts
    from watcher.model.alerts.options import AlertingOptions
    from watcher.model.page_options import PageOptions

Part = TypeVar("Part")

# Keys outside the parts that many targets share.
_TOLD = frozenset(TOLD_KEYS)
_READ_APART = frozenset({"address", "name", *TOLD_KEYS})
# An empty value of these keys overrides the defaults.
_MAY_BE_EMPTY = frozenset({"alerts", "locations", "depends_on", "maintenance", "labels"})


class Loaded(NamedTuple):
    """The content of the config files.

    Attributes:
        sources: the files that were read.
        targets: the targets, in the order of the files.
        page: the options of the status page.
        alerting: the channels, and the options that hold for all alerts.
    """

    sources: tuple[Source, ...]
    targets: tuple[Target, ...]
    page: PageOptions
    alerting: AlertingOptions


def load_targets(settings: Settings, variables: Mapping[str, str] | None = None) -> tuple[Target, ...]:
    """Read the config file, or the folder of config files, that the settings name.

    Args:
        settings: have the path, and the bounds of an interval.
        variables: the values for `${NAME}`; empty by default.

    Returns:
        the targets, in the order of the files.

    Raises:
        ConfigurationError: with every mistake in the files.
    """
    return load_sources(settings, variables or {}).targets


def load_sources(settings: Settings, variables: Mapping[str, str], inspect: Inspect | None = None) -> Loaded:
    """Read all sections of the config files, as `load_targets`; for `inspect`, see `read_alerting`."""
    files = config_files(settings.config_file, settings.config_file_place)
    named_at = None if settings.config_file.is_dir() else settings.config_file_place
    mistakes = Mistakes(map(str, files))
    documents: list[tuple[Path, Document]] = []
    for file in files:
        try:
            documents.append((file, parse_yaml(str(file), read_config_file(file, named_at), variables)))
        except ConfigurationError as error:
            mistakes.add(error.mistakes)
    try:
        return _built(documents, settings, mistakes, in_folder=named_at is None, inspect=inspect)
    except ConfigurationError as error:
        named = (file.path for path, document in documents for file in Source(document, path, 0).named_files())
        raise ConfigurationError(error.mistakes, (*files, *named)) from error


def parse_targets(
    source: str, content: bytes, settings: Settings, variables: Mapping[str, str] | None = None
) -> tuple[Target, ...]:
    """Turn the content of a config file into targets; see `load_targets`."""
    documents = [(settings.config_file, parse_yaml(source, content, variables))]
    return _built(documents, settings, Mistakes([source]), in_folder=False).targets


def _built(
    documents: Sequence[tuple[Path, Document]],
    settings: Settings,
    mistakes: Mistakes,
    *,
    in_folder: bool,
    inspect: Inspect | None = None,
) -> Loaded:
    is_whole = not len(mistakes)  # an unreadable file may have the keys that seem to be missing
    has_urls = any(isinstance(document.data, dict) and "urls" in document.data for _, document in documents)
    shapes = []
    for path, document in documents:
        mistakes.add(document.mistakes)
        if document.data is not None:
            shapes.append(validated(document, path, mistakes, urls_elsewhere=in_folder))
        elif not in_folder:
            text = "is missing; list the targets, as in `urls: [{address: https://example.com/}]`"
            mistakes.add([Mistake(Place(document.source, 1, 1), "urls", text)])
    if in_folder and is_whole and not has_urls:
        text = "is missing in every file; list the targets, as in `urls: [{address: https://example.com/}]`"
        mistakes.add([Mistake(Place(str(settings.config_file)), "urls", text)])
    targets = _Builder(shapes, settings, mistakes).targets()
    page = read_page(shapes, mistakes)
    alerting = read_alerting(shapes, targets, mistakes, inspect)
    mistakes.raise_if_any()
    firsts = accumulate((len(shape.entries) for shape in shapes), initial=0)
    sources = [Source(shape.document, shape.path, first) for shape, first in zip(shapes, firsts, strict=False)]
    return Loaded(tuple(sources), targets, page, alerting)


class _Builder:
    """Builds the targets of all files, and collects every mistake."""

    def __init__(self, files: Sequence[ValidFile], settings: Settings, mistakes: Mistakes) -> None:
        self._files = files
        self._settings = settings
        self._mistakes = mistakes
        self._defaults = joined_defaults(files, mistakes)
        self._patterns = Patterns()
        self._channels = names_of_channels(files)
        self._shared: dict[Any, Any] = {}
        defaults: Any = self._defaults.options
        self._told_by_default = {key: defaults[key] for key in TOLD_KEYS if key in defaults}
        self._parts: dict[Any, Any] = {}
        self._named: dict[str, tuple[ValidFile, int]] = {}

    def targets(self) -> tuple[Target, ...]:
        if not self._files:
            return ()
        self._parts_of(self._defaults.options, None, self._files[0])  # checks the defaults even if nothing uses them
        of_defaults = self._told(self._defaults.options, None, self._files[0])
        entries = [(index, entry, file) for file in self._files for index, entry in file.entries]
        return settled(
            [self._target(index, entry, file) for index, entry, file in entries],
            of_defaults.depends_on,
            lambda number: "depends_on" in entries[number][1],
            lambda number: self._complainer(*entries[number]),
        )

    def _target(self, index: int, entry: UrlEntry, file: ValidFile) -> Target:
        address = entry["address"]
        complain = self._complainer(index, entry, file)
        complaint = complaint_about(address)
        if complaint is not None:
            complain(("address",), f"{shown(without_secrets(address))} {complaint}")
        shown_address = one_line(without_secrets(address), limit_chars=2000)
        name = entry.get("name")
        self._refuse_empty(entry, complain)
        self._refuse_bad_name("name", name, complain)
        sending, connecting, expected, thresholds, times, places, group = self._parts_of(entry, index, file)
        called = one_line(shown_address, limit_chars=MAX_NAME_CHARS) if name is None else name
        if name is not None or complaint is None:
            self._refuse_doubled_name(called, index, file)
        return Target(
            name=called,
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
            alerts=self._told(entry, index, file),
            locations=self._shared.setdefault(places.locations, places.locations),
            quorum=places.quorum,
        )

    def _parts_of(self, entry: Options, index: int | None, file: ValidFile) -> Any:
        """Read all parts of an entry; equally written parts become the same object.

        Args:
            entry: the entry as written.
            index: of the entry; None for the defaults.
            file: the file of the entry. All files are in one folder, so a relative path means the same in each.
        """
        own = {key: value for key, value in entry.items() if key not in _READ_APART}
        key = frozen(own)
        parts = self._parts.get(key)
        if parts is None:
            before = len(self._mistakes)
            parts = self._read_parts(cast("Options", own), index, file)
            if len(self._mistakes) == before:
                self._parts[key] = parts
        return parts

    def _read_parts(self, entry: Options, index: int | None, file: ValidFile) -> Any:
        complain, folder = self._complainer(index, entry, file), file.path.parent
        values = self._merged(entry)
        if index is None:
            self._refuse_empty(entry, complain)
        self._refuse_bad_name("group", values.get("group"), complain)
        return (
            self._part(values, SENDING_KEYS, lambda: read_sending(values, complain, folder)),
            self._part(values, CONNECTING_KEYS, lambda: read_connecting(values, complain, folder)),
            self._part(values, EXPECTED_KEYS, lambda: read_expectations(values, complain, self._patterns)),
            self._part(values, THRESHOLD_KEYS, lambda: read_thresholds(values, complain)),
            read_times(entry, values, complain, self._settings),
            read_places(entry, values, complain, of_defaults=index is None),
            values.get("group"),
        )

    def _told(self, entry: Options, index: int | None, file: ValidFile) -> TargetAlerts:
        """Read the alerting options of a target; apart from the other parts, since `description` often differs."""
        written: Mapping[str, Any] = entry
        if not self._told_by_default and _TOLD.isdisjoint(written):
            return NOTHING_SAID  # as most entries have it
        values: Any = {**self._told_by_default, **{key: written[key] for key in TOLD_KEYS if key in written}}
        complain = self._complainer(index, entry, file)
        if index is None:
            self._refuse_empty(values, complain)
        return self._part(values, TOLD_KEYS, lambda: read_told(values, complain, self._channels, self._shared))

    def _part(self, values: Options, keys: Sequence[str], read: Callable[[], Part]) -> Part:
        key = keys[0], frozen({key: value for key, value in values.items() if key in keys})
        part: Part | None = self._parts.get(key)
        if part is None:
            before = len(self._mistakes)
            part = read()
            if len(self._mistakes) == before:
                self._parts[key] = part
        return part

    def _merged(self, entry: Options) -> Options:
        defaults: Any = self._defaults.options
        # The entry's own authorization replaces the other kind in the defaults.
        if "basic_auth" in entry or "authorization" in entry:
            defaults = {key: value for key, value in defaults.items() if key not in {"basic_auth", "authorization"}}
        return cast("Options", {**defaults, **entry})

    def _refuse_empty(self, entry: Options, complain: Complain) -> None:
        for key, value in entry.items():
            # A forgotten value must not look like one that is checked.
            empty = (
                value is None
                or (value in ([], {}) and key not in _MAY_BE_EMPTY)
                or (value == "" and key not in {"address", "name", "group"})
            )
            if empty and not (key == "regex" and value == ""):
                complain((key,), "is empty; write a value, or remove the key")

    def _refuse_bad_name(self, key: str, name: str | None, complain: Complain) -> None:
        if name is not None and not is_name(name):
            complain((key,), complaint_about_name(name))

    def _refuse_doubled_name(self, name: str, index: int, file: ValidFile) -> None:
        other, first = self._named.setdefault(name, (file, index))
        doubled = other is not file or first != index
        # A name with an unusable variable changes once the variable is mended.
        if doubled and not (_is_called_by_refused(file, index) or _is_called_by_refused(other, first)):
            where = "" if other is file else f" in {other.document.place_of(('urls', first, 'name'))}"
            text = f"{shown(name)} is the name of urls[{first}]{where} too; give one of them another `name`"
            if file.document.data["urls"][index].get("name") is None:
                text = file.document.without_values(("urls", index, "address"), text)
            self._mistakes.complain(file.document, ("urls", index, "name"), text)

    def _complainer(self, index: int | None, entry: Options, file: ValidFile) -> Complain:
        def complain(path: tuple[str | int, ...], text: str, *, key: bool = False) -> None:
            if index is not None and (path[0] in entry or path[0] not in self._defaults.options):
                self._mistakes.complain(file.document, ("urls", index, *path), text, key=key)
            else:
                self._mistakes.complain(self._defaults.home_of(path[0]), ("defaults", *path), text, key=key)

        return complain


def _is_called_by_refused(file: ValidFile, index: int) -> bool:
    document = file.document
    key = "address" if document.data["urls"][index].get("name") is None else "name"
    return document.is_refused(document.place_of(("urls", index, key)))


def frozen(value: Any) -> Any:
    """Return a hashable stand-in for a value; equal stand-ins mean equal values and types, unlike `True` and `1`.

    Text is not copied, and is hashed once for all targets that share it.
    """
    kind = value.__class__
    if kind is dict:
        return dict, tuple([(key, frozen(part)) for key, part in value.items()])
    if kind is list or kind is tuple:
        return kind, tuple(map(frozen, value))
    return value if kind is str else (kind, value)
