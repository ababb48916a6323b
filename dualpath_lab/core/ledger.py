"""KV bytes that the links have carried over time: noted flow by flow, added up in bulk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, count
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.core.recorder import BIN_S

if TYPE_CHECKING:
    from dualpath_lab.core.links import Link, Route

_MOST_NOTES = 10_000


class Ledger:
    """Bytes of each link in bins of ``BIN_S``.

    A note costs next to nothing. Notes are added up in the order in which they came, so that the sums are the same to the last bit
    however often someone looks (law 8).
    """

    def __init__(self) -> None:
        self._notes: list[tuple[Route, float, float, float]] = []
        self._rows: dict[Link, int] = defaultdict(count().__next__)
        self._totals = np.zeros(0)
        self._bins = np.zeros((0, 0))

    def note(self, route: Route, start_s: float, end_s: float, size_bytes: float) -> None:
        """Each stream of a route moved ``size_bytes`` evenly from ``start_s`` to ``end_s``."""
        self._notes.append((route, start_s, end_s, size_bytes))
        if len(self._notes) >= _MOST_NOTES:
            self._add_up()

    def total(self, link: Link) -> float:
        """Bytes carried by a link."""
        self._add_up()
        return float(self._totals[self._rows[link]]) if link in self._rows else 0.0

    def values(self, link: Link, first: int, last: int) -> NDArray[np.float64]:
        """Copy of a link's bins ``first`` up to, not including, ``last``; zeros beyond the last note."""
        self._add_up()
        values = np.zeros(max(last - first, 0))
        if link in self._rows:
            have = self._bins[self._rows[link], first:last]
            values[: len(have)] = have
        return values

    def sums(self, links: Sequence[Link], first: int, last: int) -> NDArray[np.float64]:
        """Bytes that each link carried in bins ``first`` up to, not including, ``last``; shape (links,)."""
        self._add_up()
        sums = np.zeros(len(links))
        known = [place for place, link in enumerate(links) if link in self._rows]
        sums[known] = self._bins[[self._rows[links[place]] for place in known], first:last].sum(axis=1)
        return sums

    def _add_up(self) -> None:
        if not self._notes:
            return
        routes, starts, ends, sizes = zip(*self._notes, strict=True)
        self._notes.clear()
        crossed = list(chain.from_iterable(routes))
        rows = np.array([self._rows[link] for link, _ in crossed])
        lengths = [len(route) for route in routes]
        start_s, end_s, size_bytes = (np.repeat(np.array(each, np.float64), lengths) for each in (starts, ends, sizes))
        size_bytes *= np.array([share for _, share in crossed])
        first, last = (start_s / BIN_S).astype(np.intp), (end_s / BIN_S).astype(np.intp)
        self._make_room(len(self._rows), int(last.max()) + 1)
        np.add.at(self._totals, rows, size_bytes)

        bins = last - first + 1
        note = np.repeat(np.arange(len(bins)), bins)
        place = first[note] + np.arange(len(note)) - np.repeat(np.cumsum(bins) - bins, bins)
        within_s = np.minimum(end_s[note], (place + 1) * BIN_S) - np.maximum(start_s[note], place * BIN_S)
        whole_s = (end_s - start_s)[note]
        part = np.divide(within_s, whole_s, out=np.ones(len(note)), where=bins[note] > 1)
        np.add.at(self._bins.reshape(-1), rows[note] * self._bins.shape[1] + place, size_bytes[note] * part)

    def _make_room(self, rows: int, bins: int) -> None:
        have_rows, have_bins = self._bins.shape
        if rows <= have_rows and bins <= have_bins:
            return
        grown = np.zeros((max(rows, have_rows), have_bins if bins <= have_bins else 2 * bins))
        grown[:have_rows, :have_bins] = self._bins
        self._bins = grown
        self._totals = np.concatenate([self._totals, np.zeros(len(grown) - len(self._totals))])
