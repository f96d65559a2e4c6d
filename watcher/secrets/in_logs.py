"""Masks all secrets of a configuration in text of any origin, for the log."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING

from watcher.secrets.masking import CUT, MIN_SECRET_CHARS, forms_of, mask_places
from watcher.secrets.of_targets import secrets_of
from watcher.text.escaping import MAX_VALUE_CHARS
from watcher.text.redaction import without_secrets_inside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from watcher.model.target import Target

# The default POSTGRES_PASSWORD, and a name in half of the lines about the database.
_PUBLIC = frozenset({"postgres"})
# A table of flags by the hash of the first characters of a secret: most positions in a text need one look into it.
_HEADS = 1 << 20


class Redactor:
    """Knows the secrets of up to 100,000 targets, each by a hash: some 8 bytes a secret, and no second copy of it.

    Masking takes some 150 ns per character: if four characters are the start of a secret, each length of a secret is
    looked up. A secret from before a reload stays one.
    """

    def __init__(self) -> None:
        """Know no secret yet."""
        self._hashes = array("q")
        self._heads = bytearray(_HEADS)
        self._lengths: tuple[int, ...] = ()

    def add(self, secrets: Iterable[str] = (), targets: Iterable[Target] = ()) -> None:
        """Add secrets, such as the password of the database, and the secrets of targets."""
        forms = {*forms_of(secret for secret in secrets if secret not in _PUBLIC)}
        forms.update(form for target in targets for form in secrets_of(target))
        for form in forms:
            self._heads[hash(form[:MIN_SECRET_CHARS]) % _HEADS] = 1
        self._lengths = tuple(sorted({*self._lengths, *map(len, forms)}))
        # A new array: another thread may be reading the old one.
        self._hashes = array("q", sorted({*self._hashes, *map(hash, forms)}))

    def masked(self, text: str) -> str:
        """Mask every secret, and clean the addresses in the text as `without_secrets` does."""
        return without_secrets_inside(mask_places(text, self._places_in) if self._lengths else text)

    def masked_and_cut(self, text: str, *, is_own: bool = False) -> str:
        """Mask a text and cut it at `MAX_VALUE_CHARS`; in our own words, only addresses are masked."""
        masked, longest = (without_secrets_inside, 0) if is_own else (self.masked, max(self._lengths, default=0))
        if len(text) <= MAX_VALUE_CHARS:
            return masked(text)
        # Drop half a secret before the cut, and half an address, whose `@` may come later.
        start = text[:MAX_VALUE_CHARS]
        address = start.rfind("://")
        start = masked(start if address < 0 or len(start[address:].split(None, 1)) > 1 else start[:address])
        return start[: max(len(start) - longest, 0)] + CUT

    def end_of(self, text: str, limit_chars: int) -> str:
        """Mask a text, such as a traceback, and return at most that many characters of its end."""
        if len(text) <= 2 * limit_chars:
            return self.masked(text)[-limit_chars:]
        # Drop half a secret after the cut, and the first line, which may be half an address.
        whole_lines = text[-2 * limit_chars :].partition("\n")[2]
        return self.masked(whole_lines)[max(self._lengths, default=0) :][-limit_chars:]

    def _places_in(self, text: str) -> Iterator[tuple[int, int]]:
        heads, hashes = self._heads, self._hashes
        for start in range(len(text) - MIN_SECRET_CHARS + 1):
            if heads[hash(text[start : start + MIN_SECRET_CHARS]) % _HEADS]:
                for stop in (start + length for length in self._lengths if start + length <= len(text)):
                    candidate = hash(text[start:stop])
                    index = bisect_left(hashes, candidate)
                    if index < len(hashes) and hashes[index] == candidate:
                        yield start, stop
