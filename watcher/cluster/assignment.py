"""Assigns targets to replicas: targets are hashed to buckets, and replicas bid for each bucket."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection

# All replicas of a location need the same number: a version with another one must have another fingerprint for the same
# configuration, so that it shares only with its like.
BUCKETS = 4096
# Cached assignments: of the present and the former agreement, for targets and for channels, twice over.
KEPT_ASSIGNMENTS = 8
_BIDS = struct.Struct(f"<{BUCKETS}Q")


def bucket_of(name: str) -> int:
    """Return the bucket of a target, from 0 to BUCKETS - 1: a hash of its name, equal on all replicas.

    Args:
        name: of the target; a lone surrogate is hashed as its escape.
    """
    digest = hashlib.blake2b(name.encode("utf-8", "backslashreplace"), digest_size=4).digest()
    return int.from_bytes(digest, "little") % BUCKETS


def bids_of(replica: uuid.UUID) -> tuple[int, ...]:
    """Return the bids of a replica for all buckets, 64 bits each.

    A bid depends only on the bucket and the replica, so that a replica that comes or goes changes only the owners of
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
        owners: by bucket; empty without replicas.
    """

    owners: tuple[uuid.UUID, ...]

    @classmethod
    def among(cls, replicas: Collection[uuid.UUID]) -> Assignment:
        """Assign each bucket to the replica with the highest bid; of equal bids, to the one with the smallest id.

        Args:
            replicas: the ids of their outboxes, in any order.
        """
        return _among(frozenset(replicas))

    def owner_of(self, name: str) -> uuid.UUID | None:
        """Return the owner of a target.

        Args:
            name: of the target.

        Returns:
            The replica; None without replicas.
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
