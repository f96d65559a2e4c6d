"""The keys of `config.yaml` that say what is expected of a response."""

from __future__ import annotations

from typing import Annotated, Required

from pydantic import with_config
from typing_extensions import TypedDict  # pydantic takes none of before Python 3.12 but this

from watcher.config.schema.bounds import MAX_BODY_LIMIT_BYTES, MAX_JSON_PATH_CHARS
from watcher.config.schema.keys import EXPECTED, Key
from watcher.config.schema.value_types import ABOVE_ZERO, FILLED, SOME, STRICT, Duration, PlainJson, StatusRange
from watcher.model.target import DEFAULT_BODY_LIMIT_BYTES

_PATTERNS = {**SOME, "items": {"type": "string", **FILLED}}


@with_config(STRICT)
class HeaderMatch(TypedDict, total=False):
    """One of `fail_if_header_matches` and `fail_if_header_not_matches`."""

    header: Required[Annotated[str, Key("the name of a header", bounds=FILLED, example="Content-Type")]]
    regexp: Required[Annotated[str, Key("what is looked for in each of its values", example="json")]]
    allow_missing: Annotated[bool | None, Key("true: a response without the header is good, too", default=False)]


@with_config(STRICT)
class JsonMatch(TypedDict, total=False):
    """One of `json`."""

    path: Required[
        Annotated[
            str,
            Key(
                "where in the body, in [JMESPath](https://jmespath.org/specification.html)",
                bounds={**FILLED, "maxLength": MAX_JSON_PATH_CHARS},
                example="status.db",
            ),
        ]
    ]
    equals: Required[
        Annotated[PlainJson, Key("the value that must stand there: any of JSON, compared whole", example='"ok"')]
    ]


@with_config(STRICT)
class ExpectedOptions(TypedDict, total=False):
    """What is expected of a response."""

    valid_status_codes: Annotated[
        list[StatusRange] | None,
        Key(
            "statuses and ranges of them",
            EXPECTED,
            reason="status",
            default=["200-299"],
            bounds=SOME,
            example='[200, "300-399"]',
        ),
    ]
    regex: Annotated[str | None, Key("must be found in the body", EXPECTED, reason="regex", example='"Example Domain"')]
    fail_if_body_matches_regexp: Annotated[
        list[str] | None,
        Key("none of these may be found in it", EXPECTED, reason="regex", bounds=_PATTERNS, example='["maintenance"]'),
    ]
    fail_if_body_not_matches_regexp: Annotated[
        list[str] | None,
        Key("each of these must be found in it", EXPECTED, reason="regex", bounds=_PATTERNS, example='["ok"]'),
    ]
    fail_if_header_matches: Annotated[
        list[HeaderMatch] | None,
        Key(
            "no value of the header may match",
            EXPECTED,
            reason="header",
            bounds=SOME,
            example="[{header: X-Cache, regexp: STALE}]",
        ),
    ]
    fail_if_header_not_matches: Annotated[
        list[HeaderMatch] | None,
        Key(
            "one value of the header must match",
            EXPECTED,
            reason="header",
            bounds=SOME,
            example="[{header: Content-Type, regexp: json}]",
        ),
    ]
    json: Annotated[
        list[JsonMatch] | None,
        Key(
            "the body must be JSON, with these values in it",
            EXPECTED,
            reason="json",
            bounds=SOME,
            example='[{path: status.db, equals: "ok"}]',
        ),
    ]
    body_size_limit: Annotated[
        int | None,
        Key(
            f"bytes after decompression, {MAX_BODY_LIMIT_BYTES // 2**20} MiB at most",
            EXPECTED,
            reason="too_large",
            default=DEFAULT_BODY_LIMIT_BYTES,
            bounds={"minimum": 1, "maximum": MAX_BODY_LIMIT_BYTES},
        ),
    ]
    degraded_after: Annotated[
        Duration, Key("a success that takes longer is degraded", EXPECTED, bounds=ABOVE_ZERO, example="1500ms")
    ]
    cert_expiry_days: Annotated[
        float | None,
        Key(
            "a success is degraded when a certificate of the chain that was verified ends sooner, at the address or at"
            " any redirect on the way",
            EXPECTED,
            bounds=ABOVE_ZERO,
            example="14",
        ),
    ]
