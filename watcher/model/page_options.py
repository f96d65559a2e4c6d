"""What an operator says of the status page: values, whatever file they were read from."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture of the operator's.

    Attributes:
        path: of its file.
        content: of that.
        media_type: as in `image/png`.
        digest: of the content, for its address.
    """

    path: str
    content: bytes = field(repr=False)
    media_type: str
    digest: str


@dataclass(frozen=True, slots=True)
class PageOptions:
    """How the page looks, and what of it the public sees.

    Attributes:
        title: of the whole; None for the page's own.
        intro: a text above all sites, in one or more lines; None for none.
        logo: beside the title; None for the page's own.
        public_groups: the groups that the public sees; None for all, and for what has no group.
    """

    title: str | None = None
    intro: str | None = None
    logo: Logo | None = None
    public_groups: frozenset[str] | None = None
