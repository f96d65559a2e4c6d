"""Hashes configurations for replicas: equal if they have the same effect, however they are written."""

from __future__ import annotations

import enum
import hashlib
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from watcher.model.alerts.options import AlertingOptions
    from watcher.model.target import Target

_DIGEST_BYTES = 16
_CHANNEL_BYTES = 4
# Between the hash of the configuration and those of the channel names.
_SEPARATOR = "."


def fingerprint_of(targets: Iterable[Target], alerting: AlertingOptions) -> str:
    """Return a hash of targets and alerting options; secrets enter it, but cannot be read from it.

    Default values are left out: a version with a new key shares with one that lacks it. Hashes of the channel names
    follow: a replica with another file must know the channels that this one can notify.

    Args:
        targets: with unique names, in any order.
        alerting: with its channels in any order.
    """
    parts = _Parts()
    lines = sorted([*(parts.digest_of(target) for target in targets), b"", parts.digest_of(_in_one_order(alerting))])
    whole = hashlib.blake2b(b"".join(lines), digest_size=_DIGEST_BYTES).hexdigest()
    channels = _SEPARATOR.join(sorted(_digest_of_channel(channel.name) for channel in alerting.channels))
    return f"{whole}{_SEPARATOR}{channels}"


def may_tell(fingerprint: str, channel: str) -> bool:
    """Return whether a channel is in a configuration.

    Args:
        fingerprint: of the configuration. One without channel names, such as another version's, may have any channel.
        channel: its name.
    """
    _, *channels = fingerprint.split(_SEPARATOR)
    return not channels or _digest_of_channel(channel) in channels


def _digest_of_channel(name: str) -> str:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_CHANNEL_BYTES).hexdigest()


def _in_one_order(alerting: AlertingOptions) -> tuple[Any, ...]:
    windows = frozenset(alerting.maintenance)
    return frozenset(alerting.channels), windows, alerting.connectivity, alerting.heartbeat


class _Parts:
    """Writes values as texts that are equal if the values are; `==` of values holds only within a process."""

    def __init__(self) -> None:
        # By id, with the object itself, so that no other object gets the id: 100,000 targets share a few.
        self._known: dict[int, tuple[Any, str]] = {}

    def digest_of(self, value: Any) -> bytes:
        text = self._fields_of(value) if is_dataclass(value) else self._text_of(value)
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()

    def _text_of(self, value: Any) -> str:
        if type(value) is str:
            return repr(value)
        if value is None or (isinstance(value, bool | int | float | str | bytes) and not isinstance(value, enum.Enum)):
            return repr(value)
        if is_dataclass(value):
            known = self._known.get(id(value))
            if known is None:
                known = self._known[id(value)] = (value, self._fields_of(value))
            return known[1]
        if isinstance(value, tuple | list):
            return f"[{','.join(map(self._text_of, value))}]"
        if isinstance(value, frozenset):
            return f"{{{','.join(sorted(map(self._text_of, value)))}}}"
        if isinstance(value, dict):
            return f"{{{','.join(sorted(f'{key!r}:{self._text_of(one)}' for key, one in value.items()))}}}"
        # Of a compiled pattern its source; of a time its ISO 8601 form.
        return repr(str(getattr(value, "pattern", value)))

    def _fields_of(self, value: Any) -> str:
        names, defaults, values_of = _compared_fields(value.__class__)
        texts = [
            f"{name}={self._text_of(one)}"
            for name, default, one in zip(names, defaults, values_of(value), strict=True)
            if one is not default and (type(one) is not type(default) or one != default)
        ]
        return f"{type(value).__name__}({','.join(texts)})"


@cache
def _compared_fields(kind: Any) -> tuple[list[str], list[Any], Callable[[Any], Sequence[Any]]]:
    compared = [field for field in fields(kind) if field.compare]
    names = [field.name for field in compared]
    values_of = attrgetter(*names)
    one_alone = len(names) == 1
    return names, [_default_of(field) for field in compared], lambda v: (values_of(v),) if one_alone else values_of(v)


def _default_of(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()
