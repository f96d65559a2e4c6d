"""Which replica has which target: targets are hashed to buckets, and the replicas bid for each bucket."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection

# All replicas of a location must count alike: a version with another number needs another fingerprint for the same
# configuration, so that it shares with its like only.
BUCKETS = 4096
# Assignments that are kept: of the present and the former agreement, for targets and for channels, twice over.
KEPT_ASSIGNMENTS = 8
_BIDS = struct.Struct(f"<{BUCKETS}Q")


def bucket_of(name: str) -> int:
    """Return the bucket of a target, from 0 to BUCKETS - 1: a hash of its name, the same on every replica.

    Args:
        name: of the target; a lone surrogate is hashed as its escape.
    """
    digest = hashlib.blake2b(name.encode("utf-8", "backslashreplace"), digest_size=4).digest()
    return int.from_bytes(digest, "little") % BUCKETS


def bids_of(replica: uuid.UUID) -> tuple[int, ...]:
    """Return what a replica bids for each bucket, 64 bits each.

    A bid depends on nothing but bucket and replica, so that a replica that comes or goes changes only the owners of
    the buckets that it wins or had won (rendezvous hashing, Thaler and Ravishankar 1998). All bids of a replica are one
    output of SHAKE128: a hash for each would take four hundred times as long.

    Args:
        replica: the id of its outbox.
    """
    return _BIDS.unpack(hashlib.shake_128(replica.bytes).digest(_BIDS.size))


@dataclass(frozen=True, slots=True)
class Assignment:
    """The owner of each bucket.

    Attributes:
        owners: by bucket; empty where there is no replica.
    """

    owners: tuple[uuid.UUID, ...]

    @classmethod
    def among(cls, replicas: Collection[uuid.UUID]) -> Assignment:
        """Let replicas bid for all buckets; the highest bid wins, and of equal ones that of the smallest id.

        Args:
            replicas: the ids of their outboxes, in any order.
        """
        return _among(frozenset(replicas))

    def owner_of(self, name: str) -> uuid.UUID | None:
        """Return whose a target is.

        Args:
            name: of the target.

        Returns:
            The replica, or None where there is none.
        """
        return self.owners[bucket_of(name)] if self.owners else None


@lru_cache(maxsize=KEPT_ASSIGNMENTS)
def _among(replicas: frozenset[uuid.UUID]) -> Assignment:
    if not replicas:
        return Assignment(())
    ordered = sorted(replicas)
    highest = list(bids_of(ordered[0]))
    owners = [ordered[0]] * BUCKETS
    for replica in ordered[1:]:
        for bucket, bid in enumerate(bids_of(replica)):
            if bid > highest[bucket]:
                highest[bucket] = bid
                owners[bucket] = replica
    return Assignment(tuple(owners))
