"""What the tests beside foreign programs share."""

from __future__ import annotations

# Fixtures that the hostile servers have, too.
from tests.hostile.conftest import certificates

__all__ = ["certificates"]
