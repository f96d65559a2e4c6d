"""The shape of `config.yaml`: which keys there are, and what kind of value each takes."""

from __future__ import annotations

import re
from typing import Annotated, Any, Required

from pydantic import BeforeValidator, ConfigDict, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict  # pydantic takes none of before Python 3.12 but this

from watcher.config.durations import duration_seconds
from watcher.config.mistakes import shown
from watcher.model.target import HttpVersion, IpProtocol, TlsVersion  # noqa: TC001  # pydantic reads them

# The bound of what may be compared with a value of a body: aliases can make a short file into an endless tree.
MAX_JSON_NODES = 10_000

_HTTP_VERSIONS = {"1.1": "1.1", "2": "2", "2.0": "2", "auto": "auto"}  # 1.1 and 2 are numbers without quotes


def _complaint(text: str) -> PydanticCustomError:
    return PydanticCustomError("complaint", "{text}", {"text": text})


def _status_range(value: object) -> tuple[int, int]:
    text = str(value) if isinstance(value, int) and 0 <= value <= 999 and not isinstance(value, bool) else value
    match = re.fullmatch(r"([0-9]{3})(?:-([0-9]{3}))?", text) if isinstance(text, str) else None
    if match is not None:
        low, high = int(match[1]), int(match[2] or match[1])
        if 100 <= low <= high:
            return low, high
    raise _complaint(f'{shown(value)} is no status; write one from 100 to 999 or a range, as in [200, "300-399"]')


def _http_version(value: object) -> object:
    plain = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    version = _HTTP_VERSIONS.get(str(value)) if plain else None
    if version is None and value is not None:
        raise _complaint(f'{shown(value)} is no version of HTTP that is spoken; write "1.1", "2" or auto')
    return version


def _plain_json(value: object) -> object:
    waiting, count = [value], 0
    while waiting:
        item = waiting.pop()
        count += 1
        if count > MAX_JSON_NODES:
            raise _complaint(f"has more than {MAX_JSON_NODES} values; compare with less of the body")
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
        elif not isinstance(item, (str, int, float, bool, type(None))):
            raise _complaint(f"{shown(item)} is no value of JSON; write text, a number, true, false or null")
    return value


Duration = Annotated[float | None, BeforeValidator(duration_seconds)]
StatusRange = Annotated[tuple[int, int], BeforeValidator(_status_range)]
_STRICT = ConfigDict(extra="forbid", strict=True)


@with_config(_STRICT)
class BasicAuth(TypedDict, total=False):
    """`basic_auth`."""

    username: Required[str]
    password: str | None
    password_file: str | None


@with_config(_STRICT)
class Authorization(TypedDict, total=False):
    """`authorization`."""

    type: str | None
    credentials: str | None
    credentials_file: str | None


@with_config(_STRICT)
class TlsConfig(TypedDict, total=False):
    """`tls_config`."""

    insecure_skip_verify: bool | None
    ca_file: str | None
    cert_file: str | None
    key_file: str | None
    server_name: str | None
    min_version: TlsVersion | None
    max_version: TlsVersion | None


@with_config(_STRICT)
class HeaderMatch(TypedDict, total=False):
    """One of `fail_if_header_matches` and `fail_if_header_not_matches`."""

    header: Required[str]
    regexp: Required[str]
    allow_missing: bool | None


@with_config(_STRICT)
class JsonMatch(TypedDict, total=False):
    """One of `json`."""

    path: Required[str]
    equals: Required[Annotated[Any, BeforeValidator(_plain_json)]]


@with_config(_STRICT)
class Options(TypedDict, total=False):
    """What may stand in `defaults` and in each entry of `urls`."""

    group: str | None
    interval: Duration
    timeout: Duration
    method: str | None
    headers: dict[str, str] | None
    body: str | None
    basic_auth: BasicAuth | None
    authorization: Authorization | None
    follow_redirects: bool | None
    max_redirects: int | None
    valid_status_codes: list[StatusRange] | None
    regex: str | None
    fail_if_body_matches_regexp: list[str] | None
    fail_if_body_not_matches_regexp: list[str] | None
    fail_if_header_matches: list[HeaderMatch] | None
    fail_if_header_not_matches: list[HeaderMatch] | None
    json: list[JsonMatch] | None
    body_size_limit: int | None
    degraded_after: Duration
    cert_expiry_days: float | None
    tls_config: TlsConfig | None
    preferred_ip_protocol: IpProtocol | None
    resolve_to: str | None
    proxy_url: str | None
    http_version: Annotated[HttpVersion | None, BeforeValidator(_http_version)]
    keep_alive: bool | None
    allow_private: bool | None
    retries: int | None
    retry_interval: Duration
    recheck_interval: Duration
    failure_threshold: int | None
    success_threshold: int | None
    enabled: bool | None


@with_config(_STRICT)
class UrlEntry(Options, total=False):
    """One entry of `urls`.

    Of a hundred thousand mappings with only the keys that are written, each is a fifth of an object with all.
    """

    address: Required[str]
    name: str | None


@with_config(_STRICT)
class ConfigFile(TypedDict, total=False):
    """The whole of `config.yaml`."""

    urls: Required[list[UrlEntry]]
    defaults: Options | None


# What the keys of a mapping may be, by the key that holds the mapping (None: the file).
KNOWN_KEYS: dict[str | None, tuple[str, ...]] = {
    None: ("urls", "defaults"),
    "urls": ("address", "name", *Options.__annotations__),
    "defaults": tuple(Options.__annotations__),
    "basic_auth": tuple(BasicAuth.__annotations__),
    "authorization": tuple(Authorization.__annotations__),
    "tls_config": tuple(TlsConfig.__annotations__),
    "fail_if_header_matches": tuple(HeaderMatch.__annotations__),
    "fail_if_header_not_matches": tuple(HeaderMatch.__annotations__),
    "json": tuple(JsonMatch.__annotations__),
}
