"""Writes the effective configuration as a readable config file; 100,000 targets take seconds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from watcher.cli.config_view.effective import TargetShower
from watcher.config.yaml.loader import Loader
from watcher.text.escaping import one_line
from watcher.text.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from watcher.model.alerts.options import AlertingOptions
    from watcher.model.page_options import PageOptions
    from watcher.model.target import Target

# Text that may be written without quotes, unless our reader would read something else, such as `yes`.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_/.+-]*")
# PyYAML does not escape all of these; they change the reading direction on terminals, or are invisible there.
_UNSAFE = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
# A dollar sign that is read as part of `$$`, or as the start of a variable.
_DOLLAR = re.compile(r"\$(?=[${])")
_FILES = ("ca_file", "cert_file", "key_file")
_TAG = "tag:yaml.org,2002:"
_WIDTH = 2**31 - 1  # the most that libyaml takes: no line is broken

# Larger whole numbers are easier to read with an exponent.
MAX_WHOLE = 1e15

_BaseDumper: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_BaseDumper):  # type: ignore[misc]  # chosen at run time
    """Writes scalars so that our reader reads the same values."""

    yaml_implicit_resolvers = Loader.yaml_implicit_resolvers


def _text(dumper: Any, text: str) -> yaml.Node:
    node: yaml.Node = dumper.represent_scalar(_TAG + "str", text, None if _PLAIN.fullmatch(text) else '"')
    return node


def _mapping(dumper: Any, values: Mapping[str, Any]) -> yaml.Node:
    # Variables are filled into values only, so keys keep their dollar signs.
    pairs = [(_text(dumper, key), dumper.represent_data(value)) for key, value in values.items()]
    return yaml.MappingNode(_TAG + "map", pairs, flow_style=False)


def _number(dumper: Any, number: float) -> yaml.Node:
    text = f"{number:.0f}" if number.is_integer() and abs(number) < MAX_WHOLE else repr(number)
    return yaml.ScalarNode(dumper.resolve(yaml.ScalarNode, text, (True, False)), text)


_Dumper.ignore_aliases = lambda *_: True  # no anchors: repeated values are written again
_Dumper.add_representer(str, lambda dumper, text: _text(dumper, _DOLLAR.sub("$$", text) if "$" in text else text))
_Dumper.add_representer(dict, _mapping)
_Dumper.add_representer(float, _number)
_Dumper.add_representer(list, lambda dumper, values: dumper.represent_sequence(_TAG + "seq", values, flow_style=True))


def yaml_lines(
    settings: Mapping[str, Mapping[str, Any]],
    targets: Iterable[Target],
    page: PageOptions,
    alerting: AlertingOptions,
    secrets: Sequence[str] = (),
) -> Iterator[str]:
    """Write the settings with their sources as comments, and the targets with all of their values.

    The result is a config file with the same targets, except for their secrets.

    Args:
        settings: from `effective_settings`.
        targets: the targets, any number of them.
        page: the options of the status page; options without a value are left out.
        alerting: channels, maintenance, connectivity and heartbeat; also without missing values.
        secrets: for `TargetShower`.

    Yields:
        texts of one or several lines, without the last newline.
    """
    yield "# What takes effect, with secrets masked as ***: first the settings, each with where it is from."
    for key, setting in settings.items():
        yield f"# {key}={_UNSAFE.sub(_escaped, one_line(setting['value'] or ''))}  ({one_line(setting['from'])})"
    shower, known = TargetShower(secrets, alerting.channels), dict[object, str]()
    shown_page = shower.page(page)
    for key, value in {**({"page": shown_page} if shown_page else {}), **shower.alerting(alerting)}.items():
        items = [f"  {dumped(value, '  ')}"] if isinstance(value, dict) else [f"  - {dumped(item)}" for item in value]
        yield "\n".join([f"{key}:", *items])
    yield "# The targets, with their defaults; durations are in seconds."
    yield "urls:"
    for target in targets:
        own = {**shower.own(target), "address": shower.masked(without_secrets(target.address))}  # however long
        texts = [dumped({key: own.pop(key) for key in ("name", "group", "address")})]
        # Parts that many targets share are dumped once: dumping takes most of the time.
        for part, text_key in ((own, repr(own)), *((part, id(part)) for part in shower.shared(target))):
            if text_key not in known:
                known[text_key] = dumped(_with_whole_paths(part))
            texts.append(known[text_key])
        yield "  - " + "\n    ".join(filter(None, texts))


def dumped(values: Mapping[str, Any], indent: str = "    ") -> str:
    """Dump a mapping without its None values; all lines but the first are indented."""
    present = {key: value for key, value in values.items() if value is not None}
    text = yaml.dump(present, Dumper=_Dumper, allow_unicode=True, width=_WIDTH) if present else ""
    return _UNSAFE.sub(_escaped, text).rstrip("\n").replace("\n", f"\n{indent}")


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _with_whole_paths(part: dict[str, Any]) -> dict[str, Any]:
    """Return a part with absolute paths, so that the text can be moved."""
    tls = part.get("tls_config")
    if not tls:
        return part
    return {**part, "tls_config": {key: str(Path(it).absolute()) if key in _FILES else it for key, it in tls.items()}}
