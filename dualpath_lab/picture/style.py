"""One colour, one meaning; and numbers as people read them."""

from __future__ import annotations

from math import floor, isnan, log10

PREFILL = "#0072B2"
DECODE = "#E69F00"
KV = "#009E73"
MODEL = "#CC79A7"
STRUCTURE = "#78868F"
"""Storage, queues, limits: whatever belongs to neither side nor class."""

BUSY_SCALE = ("#fbf8f4", "#eed7bd", "#d9aa86", "#bb7462", "#8f3f45", "#4a0d1f")
"""Utilisation from 0 to 1, evenly spaced: ever darker, so that it is read without telling hues apart."""

DASHES = {"a": "solid", "b": "dashed"}

NOTHING = "–"


def three_digits(value: float) -> str:
    """Three significant digits, without an exponent: 0.0123, 1.23, 12.3, 1,230."""
    if isnan(value):
        return NOTHING
    if value == 0:
        return "0"
    digits = 2 - floor(log10(abs(value)))
    rounded = round(value, digits)
    digits = 2 - floor(log10(abs(rounded)))
    return f"{rounded:,.{max(digits, 0)}f}"


def duration(seconds: float) -> str:
    """In s, or in ms below a second."""
    if isnan(seconds):
        return NOTHING
    return f"{three_digits(seconds)} s" if seconds >= 0.9995 else f"{three_digits(1000 * seconds)} ms"


def microseconds(seconds: float) -> str:
    """In µs."""
    return f"{three_digits(1e6 * seconds)} µs"


def ratio(value: float | None) -> str:
    """As 1.87×."""
    return NOTHING if value is None else f"{three_digits(value)}×"


def percent(share: float) -> str:
    """Whole per cent."""
    return f"{100 * share:.0f} %"


def step_above(value: float) -> float:
    """The lowest of 1, 1.5, 2, 3, 5, 7.5 times a power of ten that is no less than ``value``: where an axis that grows in steps ends."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in (1, 1.5, 2, 3, 5, 7.5, 10) if value <= step * power * (1 + 1e-9))
