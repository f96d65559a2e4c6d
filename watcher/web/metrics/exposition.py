"""Writes the text formats of Prometheus (0.0.4) and OpenMetrics (1.0.0): pure."""

from __future__ import annotations

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
    """A metric family.

    Attributes:
        name: its name; counters end in `_total`.
        kind: its type.
        meaning: a sentence for people.
    """

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    meaning: str

    def head(self, *, is_open_metrics: bool) -> str:
        """Write the HELP and TYPE lines."""
        name = self.name.removesuffix("_total") if is_open_metrics else self.name
        return f"# HELP {name} {self.meaning.translate(_HELP_ESCAPES)}\n# TYPE {name} {self.kind}\n"


def escaped(value: str) -> str:
    """Escape the value of a label, without quotation marks."""
    # Testing first is five times as fast, and hardly any name needs escapes.
    return value.translate(_ESCAPES) if "\\" in value or '"' in value or "\n" in value else value


def sample(name: str, labels: str, value: float) -> str:
    """Write a sample.

    Args:
        name: of the sample.
        labels: the text between the braces; empty for none.
        value: of the sample.
    """
    return f"{name}{{{labels}}} {value!r}\n" if labels else f"{name} {value!r}\n"


def samples(name: str, targets: Iterable[str], values: Iterable[float], more: str = "", form: str = "") -> str:
    """Write the samples of a family, one for each target.

    Args:
        name: of the samples.
        targets: the label `target` of each sample, escaped.
        values: one for each; NaN for no sample.
        more: other labels of all of them, with a leading comma.
        form: the format of each value; see `format`.
    """
    prefix, suffix = f'{name}{{target="', f'"{more}}} '
    pairs = zip(targets, values, strict=True)
    # NaN is not equal to itself.
    return "".join([f"{prefix}{target}{suffix}{value:{form}}\n" for target, value in pairs if value == value])


def histogram_samples(name: str, histogram: Histogram) -> Iterator[str]:
    """Write the samples of a histogram."""
    counts = histogram.cumulative()
    for edge, count in zip((*map(repr, EDGES), "+Inf"), counts, strict=True):
        yield sample(f"{name}_bucket", f'le="{edge}"', count)
    yield sample(f"{name}_sum", "", histogram.sum)
    yield sample(f"{name}_count", "", counts[-1])
