"""What happened: byte counts over time and one row a turn, cheap enough to be always on."""

from __future__ import annotations

from array import array
from struct import Struct
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dualpath_lab.core.turn import Turn

BIN_S = 1.0
"""Width of a bin, until there would be too many of them: then it doubles, as often as it takes."""
MOST_BINS = 1 << 14
"""Bins of anything that is recorded over time; as many of ``BIN_S`` last four and a half hours."""
_ROWS = 256
"""Rows of a log that wait to be sorted into its columns, at most."""


class Series:
    """An amount spread over time in bins, of which there are ``MOST_BINS`` at most however far time goes.

    Attributes
    ----------
    total : float
        Sum of everything added.
    bin_s : float
        Width of its bins now: ``BIN_S`` times a power of two.
    bins : array of float
        Amount in each bin; as long as the last addition needs.
    """

    __slots__ = ("bin_s", "bins", "total")

    def __init__(self) -> None:
        self.bin_s = BIN_S
        self.bins = array("d")
        self.total = 0.0

    def add(self, start_s: float, end_s: float, amount: float) -> None:
        """Spread ``amount`` evenly over ``start_s`` to ``end_s``."""
        self.total += amount
        bins, bin_s = self.bins, self.bin_s
        first, last = int(start_s / bin_s), int(end_s / bin_s)
        if len(bins) <= last:
            if last >= MOST_BINS:
                bins, bin_s = self._widen(end_s)
                first, last = int(start_s / bin_s), int(end_s / bin_s)
            bins.extend([0.0] * (last + 1 - len(bins)))
        if first == last:
            bins[first] += amount
            return
        per_s = amount / (end_s - start_s)
        bins[first] += per_s * ((first + 1) * bin_s - start_s)
        for middle in range(first + 1, last):
            bins[middle] += per_s * bin_s
        bins[last] += per_s * (end_s - last * bin_s)

    def values(self, first: int, last: int, bin_s: float = 0.0) -> NDArray[np.float64]:
        """Amounts in bins ``first`` up to, not including, ``last``; zeros beyond the last addition.

        Parameters
        ----------
        first, last : int
        bin_s : float
            Width of those bins: a power of two times that of its own, which it is when left out.
        """
        times = round(bin_s / self.bin_s) or 1
        values = np.zeros(max(last - first, 0))
        have = merged(np.array(self.bins[first * times : last * times]), times)
        values[: len(have)] = have
        return values

    def _widen(self, end_s: float) -> tuple[array[float], float]:
        """Have bins so wide that there is one for a time; returns them and their width."""
        bin_s = wide_enough(end_s, self.bin_s, MOST_BINS)
        self.bins = array("d", merged(np.array(self.bins), round(bin_s / self.bin_s)))
        self.bin_s = bin_s
        return self.bins, bin_s


def wide_enough(end_s: float, bin_s: float, most_bins: int) -> float:
    """Width of bins, doubled until the ``most_bins`` of them have room for a time."""
    while end_s >= most_bins * bin_s:
        bin_s *= 2
    return bin_s


def merged(bins: NDArray[np.float64], times: int) -> NDArray[np.float64]:
    """The amounts of so many bins in one each, along the first axis; what is left over at the end makes one too."""
    if times == 1 or not len(bins):
        return bins
    fewer: NDArray[np.float64] = np.add.reduceat(bins, np.arange(0, len(bins), times))
    return fewer


class _Log:
    """Rows in the order in which they came; a column is an array."""

    WHOLE: ClassVar[tuple[str, ...]]
    TIMES: ClassVar[tuple[str, ...]]
    LATER: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self._columns: dict[str, array[Any]] = {name: array("q") for name in self.WHOLE}
        self._columns |= {name: array("d") for name in self.TIMES}
        self._columns |= {name: array("q") for name in self.LATER}
        self._row_type = np.dtype([(name, column.typecode) for name, column in self._columns.items()])
        self._rows = bytearray(_ROWS * self._row_type.itemsize)
        self._waiting = 0
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def _next_row(self) -> int:
        """Where in the bytes of the rows that wait the next one goes."""
        if self._waiting == _ROWS:
            self._sort_in()
        at = self._waiting
        self._waiting = at + 1
        self._length += 1
        return at * self._row_type.itemsize

    @property
    def times(self) -> dict[str, array[float]]:
        """The columns of times by name."""
        self._sort_in()
        return {name: self._columns[name] for name in self.TIMES}

    def columns(self, first: int = 0) -> dict[str, NDArray[np.int64] | NDArray[np.float64]]:
        """Copies of all columns from row ``first`` on; arrays of shape (rows,)."""
        self._sort_in()
        return {name: np.array(column[first:]) for name, column in self._columns.items()}

    def _sort_in(self) -> None:
        rows = np.frombuffer(self._rows, self._row_type, self._waiting)
        for name, column in self._columns.items():
            column.frombytes(rows[name].tobytes())
        self._waiting = 0


class ForwardLog(_Log):
    """One row for each forward of a prefill group that has ended, in order.

    ``start``, ``end`` are in s since the run began; ``attention_s`` is the attention time of the slowest engine, ``tokens`` the new tokens
    of all ``requests``.
    """

    WHOLE = ("tokens", "requests")
    TIMES = ("start", "end", "attention_s")

    _pack_into = Struct(f"{len(WHOLE)}q{len(TIMES)}d").pack_into

    def add(self, start_s: float, end_s: float, attention_s: float, tokens: int, requests: int) -> None:
        """Append a forward that has ended."""
        self._pack_into(self._rows, self._next_row(), tokens, requests, start_s, end_s, attention_s)


class TurnLog(_Log):
    """One row for each finished turn, in the order in which they finished.

    Times are in s since the run began; ``prefill_read`` are the hit tokens that the prefill node read from
    storage, and ``seen_...`` what the scheduler saw when it placed the turn (tokens of the engines, read queues of their nodes);
    ``..._reloaded`` are tokens that later forwards of a chunked turn loaded again from a node's buffer.
    """

    SEEN = ("seen_pe", "seen_de", "seen_prefill_queue", "seen_decode_queue")
    WHOLE = ("agent", "row", "hit", "computed", "generate", "pe", "de", "prefill_read", *SEEN)
    TIMES = ("submitted", "placed", "read", "prefill_started", "prefill_ended", "first_token", "second_token", "finished")
    LATER = ("prefill_reloaded", "decode_reloaded")

    _begun = Struct(f"{len(WHOLE)}q2d")
    _pack_begun = _begun.pack
    _pack_into = Struct(f"{_begun.size}s{len(TIMES) - 2}d{len(LATER)}q").pack_into

    def begun(self, turn: Turn, now: float) -> bytes:
        """The first part of the row of a turn that is placed ``now``."""
        pe, de = turn.pe, turn.de
        return self._pack_begun(
            turn.agent,
            turn.row,
            turn.hit,
            turn.computed,
            turn.generate,
            pe.index,
            de.index,
            turn.prefill_read,
            pe.tokens,
            de.tokens,
            pe.node.reads.tokens,
            de.node.reads.tokens,
            turn.submitted,
            now,
        )

    def add(self, turn: Turn) -> None:
        """Append a finished turn."""
        times = turn.read, turn.prefill_started, turn.prefill_ended, turn.first_token, turn.second_token, turn.finished
        self._pack_into(self._rows, self._next_row(), turn.logged, *times, turn.prefill_reloaded, turn.decode_reloaded)

    def columns(self, first: int = 0) -> dict[str, NDArray[np.int64] | NDArray[np.float64]]:
        """Copies of all columns from row ``first`` on, with the latencies derived from them.

        Returns
        -------
        dict of array, shape (turns,)
            The columns, ``ttft`` (submission to first token), ``ttst`` (first to second token) and ``tpot`` in s; ``second_token``,
            ``ttst`` and ``tpot`` are NaN where a turn has fewer than two tokens.
        """
        table = super().columns(first)
        later_tokens = np.where(table["generate"] > 1, table["generate"] - 1.0, np.nan)
        table["ttft"] = table["first_token"] - table["submitted"]
        table["ttst"] = table["second_token"] - table["first_token"]
        table["tpot"] = (table["finished"] - table["first_token"]) / later_tokens
        return table
