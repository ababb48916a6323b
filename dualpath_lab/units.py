"""Conversions at the edge; everything inside is in seconds, bytes and bytes per second."""

from __future__ import annotations

BITS_PER_BYTE = 8
GIGA = 1e9


def gbps_to_bytes_per_s(gigabits_per_s: float) -> float:
    """Gb/s to bytes/s."""
    return gigabits_per_s * GIGA / BITS_PER_BYTE


def gbytes_to_bytes(gigabytes: float) -> float:
    """Decimal gigabytes to bytes."""
    return gigabytes * GIGA
