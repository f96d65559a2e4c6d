"""The keys of `page`: how the status page looks, and what the public sees."""

from __future__ import annotations

from typing import Annotated

from pydantic import with_config
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from watcher.config.schema.keys import Key
from watcher.config.schema.limits import MAX_INTRO_CHARS, MAX_LOGO_BYTES, MAX_NAME_CHARS
from watcher.config.schema.value_types import SOME, STRICT


@with_config(STRICT)
class PageKeys(TypedDict, total=False):
    """The options of `page`."""

    title: Annotated[
        str | None,
        Key(
            "title of all pages and of the feed",
            default="Status",
            bounds={"pattern": r"\S", "maxLength": MAX_NAME_CHARS},
            example="Status of Example",
        ),
    ]
    intro: Annotated[
        str | None,
        Key(
            f"text above the list of sites, up to {MAX_INTRO_CHARS} characters; each line is a paragraph",
            bounds={"pattern": r"\S", "maxLength": MAX_INTRO_CHARS},
            example="Write to help@example.com.",
        ),
    ]
    logo_file: Annotated[
        str | None,
        Key(
            "picture beside the title: PNG, SVG, WebP or JPEG of up to"
            f" {MAX_LOGO_BYTES // 1024} KiB; a relative path starts at the folder of the config file",
            bounds={"minLength": 1},
            example="logo.svg",
        ),
    ]
    public_groups: Annotated[
        list[str] | None,
        Key(
            "the groups that readers without credentials see; all other groups, and targets without a group, are"
            " hidden from them; it matters only with `WATCHER_HTTP_PUBLIC=on`, or if the page is reachable from other"
            " machines",
            default_text="all targets",
            bounds=SOME,
            example="[shop]",
        ),
    ]
