"""The keys of `config.yaml` that say what is sent."""

from __future__ import annotations

from typing import Annotated, Required

from pydantic import with_config
from typing_extensions import TypedDict  # pydantic takes none of before Python 3.12 but this

from watcher.config.schema.keys import SENT, Key
from watcher.config.schema.limits import MAX_REDIRECTS
from watcher.config.schema.value_types import FILLED, SOME_KEYS, STRICT, VARIABLE_PATTERN, exactly_one_of
from watcher.model.target import DEFAULT_MAX_REDIRECTS


@with_config(exactly_one_of("password", "password_file"))
class BasicAuth(TypedDict, total=False):
    """`basic_auth`."""

    username: Required[
        Annotated[str, Key("the name of the user, without a colon", bounds={"pattern": f"^[^:]*$|{VARIABLE_PATTERN}"})]
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
        Key("the scheme: the first word of the header `Authorization`", default="Bearer", bounds=FILLED),
    ]
    credentials: Annotated[str | None, Key("what follows it, in plain text or as `${VARIABLE}`", secret=True)]
    credentials_file: Annotated[
        str | None, Key("path of a file with it instead", bounds=FILLED, example="/run/secrets/token")
    ]


@with_config(STRICT)
class SendingOptions(TypedDict, total=False):
    """What is sent."""

    method: Annotated[str | None, Key("of the request", SENT, default="GET", bounds=FILLED, example="POST")]
    headers: Annotated[
        dict[str, str] | None,
        Key(
            "names and values; `Host` may be among them, headers of the connection may not",
            SENT,
            default_text="`Accept: */*`, `User-Agent: watcher/…`",
            bounds=SOME_KEYS,
            example="{Accept: application/json}",
            secret=True,
        ),
    ]
    body: Annotated[
        str | None, Key("text that is sent along", SENT, bounds=FILLED, example="'{\"ping\": true}'", secret=True)
    ]
    basic_auth: Annotated[
        BasicAuth | None,
        Key("a user and a password", SENT, example="{username: u, password_file: p}", secret=True),
    ]
    authorization: Annotated[
        Authorization | None,
        Key("another authorization, such as a token", SENT, example="{type: Bearer, credentials_file: t}", secret=True),
    ]
    follow_redirects: Annotated[bool | None, Key("false: a redirect is itself the response", SENT, default=True)]
    max_redirects: Annotated[
        int | None,
        Key(
            f"how many are followed; {MAX_REDIRECTS} at most",
            SENT,
            default=DEFAULT_MAX_REDIRECTS,
            bounds={"minimum": 0, "maximum": MAX_REDIRECTS},
        ),
    ]
