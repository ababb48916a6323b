"""How sure a mean over seeds is."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, sqrt
from statistics import fmean, stdev
from typing import NamedTuple

_T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Two-sided 95 % points of Student's t for 1, 2, ... degrees of freedom."""


class Interval(NamedTuple):
    """A mean with its 95 % confidence interval; the ends are None where one value says nothing about the spread."""

    mean: float
    low: float | None
    high: float | None

    def text(self, unit: str = "") -> str:
        """In words, to three digits."""
        ends = "" if self.low is None or self.high is None else f" ({_digits(self.low)} to {_digits(self.high)})"
        return f"{_digits(self.mean)}{unit}{ends}"


def interval(values: Sequence[float]) -> Interval:
    """The mean of values, one a seed, and where the true mean lies with 95 % confidence.

    Student's t; of positive values, as times, rates and ratios are, on a logarithmic scale, so that it holds nothing below 0.

    Parameters
    ----------
    values : sequence of float
        At least one; none below 0.
    """
    mean, free = fmean(values), len(values) - 1
    if not free:
        return Interval(mean, None, None)
    t = _T_95[free - 1] if free <= len(_T_95) else 1.96 + 2.37 / free + 2.8 / free**2
    if min(values) <= 0:
        half = t * stdev(values) / sqrt(len(values))
        return Interval(mean, max(mean - half, 0.0), mean + half)
    factor = exp(t * stdev([log(value) for value in values]) / sqrt(len(values)))
    return Interval(mean, mean / factor, mean * factor)


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
