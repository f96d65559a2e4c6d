"""The text formats of Prometheus (0.0.4) and OpenMetrics (1.0.0): pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from watcher.recording.histogram import EDGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from watcher.recording.histogram import Histogram

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
END_OF_OPEN_METRICS = "# EOF\n"

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Family:
    """A name with what it means.

    Attributes:
        name: of a counter, with `_total` at its end.
        kind: see there.
        meaning: a sentence for people.
    """

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    meaning: str

    def head(self, *, is_open_metrics: bool) -> str:
        """Write what stands before the samples."""
        name = self.name.removesuffix("_total") if is_open_metrics else self.name
        return f"# HELP {name} {self.meaning.translate(_HELP_ESCAPES)}\n# TYPE {name} {self.kind}\n"


def escaped(value: str) -> str:
    """Write the value of a label, without its quotation marks."""
    return value.translate(_ESCAPES)


def sample(name: str, labels: str, value: float) -> str:
    """Write a sample.

    Args:
        name: of the sample.
        labels: as they stand in the braces; empty for none.
        value: of it.
    """
    return f"{name}{{{labels}}} {value!r}\n" if labels else f"{name} {value!r}\n"


def samples(name: str, labels: Iterable[str], values: Iterable[float]) -> str:
    """Write samples of a family, one for each value that is one; NaN stands for none."""
    pairs = zip(labels, values, strict=True)
    return "".join([f"{name}{{{written}}} {value!r}\n" for written, value in pairs if not math.isnan(value)])


def histogram_samples(name: str, histogram: Histogram) -> Iterator[str]:
    """Write the samples of a histogram."""
    counts = histogram.cumulative()
    for edge, count in zip((*map(repr, EDGES), "+Inf"), counts, strict=True):
        yield sample(f"{name}_bucket", f'le="{edge}"', count)
    yield sample(f"{name}_sum", "", histogram.sum)
    yield sample(f"{name}_count", "", counts[-1])
