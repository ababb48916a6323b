"""Loading where one turn's read may be divided over both sides."""

from __future__ import annotations

from dualpath_lab.core.loader import Loader
from dualpath_lab.core.turn import Turn


class SplitLoader(Loader):
    """Layer-wise loading of reads that may be divided over both sides.

    Room for all of a turn's reads is taken before any of them queues, on the prefill side first: whoever holds room on the decode side
    then lacks nothing, and no two turns can wait for each other.
    """

    def begin(self, turn: Turn) -> None:
        """Take room, read on each side what it has to read, then let the prefill engine have the turn."""
        prefill_bytes = turn.prefill_read * self._kv_bytes
        turn.pe.node.buffer.take(prefill_bytes, lambda: self._take_decode_side(turn))

    def _take_decode_side(self, turn: Turn) -> None:
        if turn.decode_read:
            turn.asked = turn.admitted = True
            turn.de.node.buffer.take(turn.prompt * self._kv_bytes, lambda: self._read(turn))
        else:
            self._read(turn)

    def _read(self, turn: Turn) -> None:
        reads = [(node, tokens) for node, tokens in ((turn.pe.node, turn.prefill_read), (turn.de.node, turn.decode_read)) if tokens]
        turn.reads_left = len(reads)
        if not reads:
            self._ready(turn)
        for node, tokens in reads:
            node.reads.read(tokens, 0, self._part_read, turn)

    def _part_read(self, turn: Turn) -> None:
        turn.reads_left -= 1
        if not turn.reads_left:
            self._ready(turn)
