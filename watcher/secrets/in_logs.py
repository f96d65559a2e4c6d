"""The secrets of a whole configuration, taken out of texts of which nobody knows whose they are."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING

from watcher.secrets.of_targets import MIN_SECRET_CHARS, fewest_secrets_of, joined_spans, ways_to_write, without_spans
from watcher.text.escaping import MAX_VALUE_CHARS
from watcher.text.redaction import without_secrets_inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from watcher.model.target import Target

# Of POSTGRES_PASSWORD by default, and a name that stands in half of the lines about the database.
_PUBLIC = frozenset({"postgres"})
_HEADS = 1 << 20


class Redactor:
    """Knows the secrets of up to 100,000 targets, each by a hash: some 8 bytes a secret, and no second copy of it.

    A text is looked through once: where four characters begin a secret, each length that a secret has is looked up.
    What it is told stays known: a secret that was configured before a reload is a secret still.
    """

    def __init__(self) -> None:
        """Know no secret yet."""
        self._hashes = array("q")
        self._heads = bytearray(_HEADS)
        self._lengths: tuple[int, ...] = ()

    @property
    def longest(self) -> int:
        """The length of the longest secret, in characters."""
        return self._lengths[-1] if self._lengths else 0

    def add(self, secrets: Iterable[str] = (), targets: Iterable[Target] = ()) -> None:
        """Take note of secrets.

        Args:
            secrets: such as the password of the database; what has less than `MIN_SECRET_CHARS` is left alone.
            targets: see `secrets_of` for what is secret of them.
        """
        forms = [form for secret in secrets if secret not in _PUBLIC for form in ways_to_write(secret)]
        forms += (form for target in targets for form in fewest_secrets_of(target))
        news = {hash(form): form for form in forms if not _holds(self._hashes, hash(form))}
        for form in news.values():
            self._heads[hash(form[:MIN_SECRET_CHARS]) % _HEADS] = 1
        self._lengths = tuple(sorted({*self._lengths, *map(len, news.values())}))
        # Another one, since another thread may be reading.
        self._hashes = array("q", sorted([*self._hashes, *news])) if news else self._hashes

    def masked(self, text: str) -> str:
        """Put `***` in the place of every secret, and mask the addresses inside as `without_secrets` does.

        Args:
            text: any text of a bounded length: it takes some 150 ns a character.
        """
        while spans := joined_spans(self._places_in(text)) if self._lengths else ():
            text = without_spans(text, spans, len(text))  # again, since what is left may come together to a secret
        return without_secrets_inside(text)

    def fit(self, text: str) -> str:
        """Mask a text, and cut what is longer than `MAX_VALUE_CHARS`."""
        return _fit(text, self.masked, self.longest)

    def end_of(self, text: str, limit_chars: int) -> str:
        """Mask a text, such as a traceback, and return the end of it, which has at most that many characters."""
        if len(text) <= 2 * limit_chars:
            return self.masked(text)[-limit_chars:]
        # As in `_fit`: a line that is only half there may be half an address.
        _half, _end, whole = text[-2 * limit_chars :].partition("\n")
        return self.masked(whole)[self.longest :][-limit_chars:]

    def _places_in(self, text: str) -> Iterator[tuple[int, int]]:
        heads, hashes = self._heads, self._hashes
        for begin in range(len(text) - MIN_SECRET_CHARS + 1):
            if heads[hash(text[begin : begin + MIN_SECRET_CHARS]) % _HEADS]:
                for length in self._lengths:
                    if begin + length > len(text):
                        break
                    if _holds(hashes, hash(text[begin : begin + length])):
                        yield begin, begin + length


def fit_address(text: str) -> str:
    """Mask the addresses of a text, and cut what is longer than `MAX_VALUE_CHARS`."""
    return _fit(text, without_secrets_inside, 0)


def _fit(text: str, masked: Callable[[str], str], longest: int) -> str:
    """Mask before it is cut: of a secret that was cut, nobody would know the rest."""
    if len(text) <= MAX_VALUE_CHARS:
        return masked(text)
    # Where it is cut, neither half a secret may stand, nor half an address, of which the `@` may come only later.
    begin = text[:MAX_VALUE_CHARS]
    address = begin.rfind("://")
    if address >= 0 and len(begin[address:].split(None, 1)) == 1:
        begin = begin[:address]
    begin = masked(begin)
    return begin[: max(len(begin) - longest, 0)] + "…"


def _holds(hashes: array[int], one: int) -> bool:
    index = bisect_left(hashes, one)
    return index < len(hashes) and hashes[index] == one
