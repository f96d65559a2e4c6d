"""What the tests of the transport share with those of bad servers."""

from __future__ import annotations

from tests.hostile.conftest import certificates, no_garbage_collection

__all__ = ["certificates", "no_garbage_collection"]
