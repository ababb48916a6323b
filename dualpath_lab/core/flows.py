"""Flows, links and their crossings as arrays, for compiled code: what :mod:`fairness` and :mod:`fluid` work on.

Links, flows and *crossings* (of a link by a flow) are rows of structured arrays that refer to each other by number; -1 is none. The
crossings of a flow lie side by side, those of a link are a list in the order in which they came.
"""

from __future__ import annotations

import math
from math import inf
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.core.recorder import BIN_S

FULL = 1e-9
"""Share of a link's capacity below which what is left of it counts as nothing."""

CACHE_LINE = 64
"""Bytes that a processor takes from memory at a time; what belongs together should lie in one."""


def _rows(always: dict[str, str], worked_out: dict[str, str]) -> np.dtype[Any]:
    """Rows of two cache lines: fields that every change looks at, then those of no use but while rates are worked out."""
    offsets = [*range(0, 8 * len(always), 8), *range(CACHE_LINE, CACHE_LINE + 8 * len(worked_out), 8)]
    fields = always | worked_out
    return np.dtype({"names": [*fields], "formats": [*fields.values()], "offsets": offsets, "itemsize": 2 * CACHE_LINE})


LINK = _rows(
    {
        **{"capacity": "f8", "kv_capacity": "f8"},  # bytes/s, and what of them model traffic leaves
        "used": "f8",  # bytes/s that flows carry now
        "total": "f8",  # bytes carried, booked whenever a flow's rate changes
        "holds": "i8",  # how many flows it is the bottleneck of
        **{"first": "i8", "last": "i8"},  # crossings
    },
    {"room": "f8", "wanted": "f8", "weight": "f8", "level": "f8", "seen": "?", "tight": "?", "lowest": "?"},
)
FLOW = _rows(
    {
        **{"rate": "f8", "top_rate": "f8"},  # bytes/s of each of its streams
        **{"left": "f8", "since": "f8"},  # bytes of each stream at the time of its last change, s
        "bottleneck": "i8",
        **{"first": "i8", "length": "i8"},  # crossings
        "state": "i8",
    },
    {"most": "f8", "new_rate": "f8", "new_bottleneck": "i8"},
)
CROSSING = np.dtype([("share", "f8"), ("link", "i4"), ("flow", "i4"), ("before", "i4"), ("after", "i4")], align=True)

OUTSIDE, JOINING, UNDECIDED, RIPE, DECIDED = range(5)
"""Whether a flow's rate is being worked out, and how far that is."""


class Arrays(NamedTuple):
    """Everything about the flows of a network.

    Attributes
    ----------
    links, flows, crossings : structured array
        Of :data:`LINK`, :data:`FLOW`, :data:`CROSSING`.
    ends_at : float64 array, shape (2 x flows,)
        When each flow's last byte arrives at its present rate, s; infinite for one that doesn't move. A tree: those of the flows are the
        second half, and every entry ``i`` before them is the earlier one of ``2 i`` and ``2 i + 1``.
    bins : float64 array, shape (bins, links)
        Bytes that links have carried, booked as their ``total`` is; what is booked at a time lies side by side.
    bin_s : float64 array, shape (1,)
        Width of a bin.
    inside, touched : int64 array, shape (flows,) and (links,)
        Flows whose rates are being worked out, and their links.
    """

    links: NDArray[Any]
    flows: NDArray[Any]
    crossings: NDArray[Any]
    ends_at: NDArray[np.float64]
    bins: NDArray[np.float64]
    bin_s: NDArray[np.float64]
    inside: NDArray[np.int64]
    touched: NDArray[np.int64]


def no_flows() -> Arrays:
    """Of a network without links; there is always a flow, be it one that never ends."""
    return Arrays(
        *(np.zeros(0, LINK), np.zeros(1, FLOW), np.zeros(0, CROSSING), np.full(2, inf)),
        *(np.zeros((0, 0)), np.full(1, BIN_S), np.zeros(1, np.int64), np.zeros(0, np.int64)),
    )


def with_room(arrays: Arrays, links: int = 0, flows: int = 0, crossings: int = 0, bins: int = 0) -> Arrays:
    """The same with room for so many of each; what has to grow grows to double its size or more."""
    have_bins, have_links = arrays.bins.shape
    links, flows, crossings, bins = (
        have if need <= have else max(need, 2 * have)
        for need, have in ((links, have_links), (flows, len(arrays.flows)), (crossings, len(arrays.crossings)), (bins, have_bins))
    )
    return Arrays(
        links=_grown(arrays.links, links),
        flows=_grown(arrays.flows, flows),
        crossings=_grown(arrays.crossings, crossings),
        ends_at=_grown_tree(arrays.ends_at, flows),
        bins=_grown(arrays.bins, bins, links),
        bin_s=arrays.bin_s,
        inside=_grown(arrays.inside, flows),
        touched=_grown(arrays.touched, links),
    )


def _grown_tree(tree: NDArray[np.float64], leaves: int) -> NDArray[np.float64]:
    """With so many leaves, a power of two."""
    grown, had = np.full(2 * leaves, inf), len(tree) // 2
    grown[leaves : leaves + had] = tree[had:]
    while leaves > 1:
        grown[leaves // 2 : leaves] = grown[leaves : 2 * leaves].reshape(-1, 2).min(axis=1)
        leaves //= 2
    return grown


def _grown(array: NDArray[Any], *shape: int) -> NDArray[Any]:
    """The array with more room, from the beginning of a cache line on."""
    size_bytes = math.prod(shape) * array.dtype.itemsize
    room = np.zeros(size_bytes + CACHE_LINE, np.uint8)
    start = -room.ctypes.data % CACHE_LINE
    grown = room[start : start + size_bytes].view(array.dtype).reshape(shape)
    grown[tuple(slice(size) for size in array.shape)] = array
    return grown
