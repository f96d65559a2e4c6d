"""The operator's options of the status page, independent of their source."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Logo:
    """The operator's logo.

    Attributes:
        path: of its file.
        content: of the file.
        media_type: such as `image/png`.
        digest: of the content, for its address.
    """

    path: str
    content: bytes = field(repr=False)
    media_type: str
    digest: str


@dataclass(frozen=True, slots=True)
class PageOptions:
    """The look of the page, and the part of it that is public.

    Attributes:
        title: of the whole page; None for the default.
        intro: a text above all sites, in one or more lines; None for none.
        logo: beside the title; None for the default.
        public_groups: the public groups; None for all, and for targets without a group.
    """

    title: str | None = None
    intro: str | None = None
    logo: Logo | None = None
    public_groups: frozenset[str] | None = None
