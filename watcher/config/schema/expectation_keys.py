"""The keys of `config.yaml` for the expected response."""

from __future__ import annotations

from typing import Annotated, Required

from pydantic import with_config
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from watcher.config.schema.keys import EXPECTED, Key
from watcher.config.schema.limits import MAX_BODY_LIMIT_BYTES, MAX_JSON_PATH_CHARS
from watcher.config.schema.value_types import ABOVE_ZERO, FILLED, SOME, STRICT, Duration, PlainJson, StatusRange
from watcher.model.target import DEFAULT_BODY_LIMIT_BYTES

_PATTERNS = {**SOME, "items": {"type": "string", **FILLED}}


@with_config(STRICT)
class HeaderMatch(TypedDict, total=False):
    """An item of `fail_if_header_matches` or `fail_if_header_not_matches`."""

    header: Required[Annotated[str, Key("the name of a header", bounds=FILLED, example="Content-Type")]]
    regexp: Required[Annotated[str, Key("regular expression to find in its values", example="json")]]
    allow_missing: Annotated[bool | None, Key("true: a response without the header passes", default=False)]


@with_config(STRICT)
class JsonMatch(TypedDict, total=False):
    """An item of `json`."""

    path: Required[
        Annotated[
            str,
            Key(
                "path of the value in the body, in [JMESPath](https://jmespath.org/specification.html)",
                bounds={**FILLED, "maxLength": MAX_JSON_PATH_CHARS},
                example="status.db",
            ),
        ]
    ]
    equals: Required[Annotated[PlainJson, Key("expected value: any JSON value, compared as a whole", example='"ok"')]]


@with_config(STRICT)
class ExpectedOptions(TypedDict, total=False):
    """The expected response."""

    valid_status_codes: Annotated[
        list[StatusRange] | None,
        Key(
            "allowed statuses and ranges of statuses",
            EXPECTED,
            reason="status",
            default=["200-299"],
            bounds=SOME,
            example='[200, "300-399"]',
        ),
    ]
    regex: Annotated[
        str | None,
        Key("regular expression that must be found in the body", EXPECTED, reason="regex", example='"Example Domain"'),
    ]
    fail_if_body_matches_regexp: Annotated[
        list[str] | None,
        Key(
            "regular expressions; none may be found in the body",
            EXPECTED,
            reason="regex",
            bounds=_PATTERNS,
            example='["maintenance"]',
        ),
    ]
    fail_if_body_not_matches_regexp: Annotated[
        list[str] | None,
        Key(
            "regular expressions; each must be found in the body",
            EXPECTED,
            reason="regex",
            bounds=_PATTERNS,
            example='["ok"]',
        ),
    ]
    fail_if_header_matches: Annotated[
        list[HeaderMatch] | None,
        Key(
            "headers and regular expressions; no value of the header may match",
            EXPECTED,
            reason="header",
            bounds=SOME,
            example="[{header: X-Cache, regexp: STALE}]",
        ),
    ]
    fail_if_header_not_matches: Annotated[
        list[HeaderMatch] | None,
        Key(
            "headers and regular expressions; a value of the header must match",
            EXPECTED,
            reason="header",
            bounds=SOME,
            example="[{header: Content-Type, regexp: json}]",
        ),
    ]
    json: Annotated[
        list[JsonMatch] | None,
        Key(
            "paths and values; the body must be JSON with these values",
            EXPECTED,
            reason="json",
            bounds=SOME,
            example='[{path: status.db, equals: "ok"}]',
        ),
    ]
    body_size_limit: Annotated[
        int | None,
        Key(
            f"largest allowed body, in bytes after decompression; {MAX_BODY_LIMIT_BYTES // 2**20} MiB at most",
            EXPECTED,
            reason="too_large",
            default=DEFAULT_BODY_LIMIT_BYTES,
            bounds={"minimum": 1, "maximum": MAX_BODY_LIMIT_BYTES},
        ),
    ]
    degraded_after: Annotated[
        Duration,
        Key("a successful check slower than this is `degraded`", EXPECTED, bounds=ABOVE_ZERO, example="1500ms"),
    ]
    cert_expiry_days: Annotated[
        float | None,
        Key(
            "a successful check is `degraded` if a certificate of the verified chain expires within so many days, at"
            " the address or at a redirect",
            EXPECTED,
            bounds=ABOVE_ZERO,
            example="14",
        ),
    ]
