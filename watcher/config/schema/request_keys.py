"""The keys of `config.yaml` for the request."""

from __future__ import annotations

from typing import Annotated, Required

from pydantic import with_config
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from watcher.config.schema.keys import SENT, Key
from watcher.config.schema.limits import MAX_REDIRECTS
from watcher.config.schema.value_types import FILLED, SOME_KEYS, STRICT, VARIABLE_PATTERN, exactly_one_of
from watcher.model.target import DEFAULT_MAX_REDIRECTS


@with_config(exactly_one_of("password", "password_file"))
class BasicAuth(TypedDict, total=False):
    """`basic_auth`."""

    username: Required[
        Annotated[str, Key("user name, without a colon", bounds={"pattern": f"^[^:]*$|{VARIABLE_PATTERN}"})]
    ]
    password: Annotated[str | None, Key("the password, in plain text or as `${VARIABLE}`", secret=True)]
    password_file: Annotated[
        str | None, Key("path of a file with the password instead", bounds=FILLED, example="/run/secrets/password")
    ]


@with_config(exactly_one_of("credentials", "credentials_file"))
class Authorization(TypedDict, total=False):
    """`authorization`."""

    type: Annotated[
        str | None,
        Key("scheme, the first word of the header `Authorization`", default="Bearer", bounds=FILLED),
    ]
    credentials: Annotated[str | None, Key("the rest of the header, in plain text or as `${VARIABLE}`", secret=True)]
    credentials_file: Annotated[
        str | None, Key("path of a file with the credentials instead", bounds=FILLED, example="/run/secrets/token")
    ]


@with_config(STRICT)
class SendingOptions(TypedDict, total=False):
    """The options of the request."""

    method: Annotated[str | None, Key("HTTP method of the request", SENT, default="GET", bounds=FILLED, example="POST")]
    headers: Annotated[
        dict[str, str] | None,
        Key(
            "names and values; `Host` is allowed, headers of the connection are not",
            SENT,
            default_text="`Accept: */*`, `User-Agent: watcher/…`",
            bounds=SOME_KEYS,
            example="{Accept: application/json}",
            secret=True,
        ),
    ]
    body: Annotated[
        str | None, Key("text to send as the body", SENT, bounds=FILLED, example="'{\"ping\": true}'", secret=True)
    ]
    basic_auth: Annotated[
        BasicAuth | None,
        Key("user and password", SENT, example="{username: u, password_file: p}", secret=True),
    ]
    authorization: Annotated[
        Authorization | None,
        Key("another authorization, such as a token", SENT, example="{type: Bearer, credentials_file: t}", secret=True),
    ]
    follow_redirects: Annotated[bool | None, Key("false: the redirect itself is the response", SENT, default=True)]
    max_redirects: Annotated[
        int | None,
        Key(
            f"number of redirects to follow; {MAX_REDIRECTS} at most",
            SENT,
            default=DEFAULT_MAX_REDIRECTS,
            bounds={"minimum": 0, "maximum": MAX_REDIRECTS},
        ),
    ]
