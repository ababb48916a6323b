"""Loading without layer-wise prefill, as the basic system does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dualpath_lab.core import paths
from dualpath_lab.core.batching import Chunk
from dualpath_lab.core.engines import PrefillEngine
from dualpath_lab.core.links import route
from dualpath_lab.core.loader import NO_STREAMS, Loader, Streams
from dualpath_lab.core.turn import Turn


class WholeLoader(Loader):
    """Loading without layer-wise prefill: whole KV-caches move before and after the forward and sit in PE HBM from the first byte read."""

    def begin(self, turn: Turn) -> None:
        """Take HBM, read, copy the hit tokens into HBM, then let the prefill engine have the turn."""
        turn.pe.hbm.take(turn.prompt * self._kv_bytes, lambda: self._read_whole(turn))

    def candidates(self, engine: PrefillEngine) -> Iterator[Turn]:
        """All that are ready: their KV-cache is in HBM, and stays there until after the forward."""
        return iter(engine.ready)

    def _read_whole(self, turn: Turn) -> None:
        if turn.hit:
            turn.pe.node.reads.read(turn.hit, turn.hit * self._kv_bytes, self._to_hbm, turn)
        else:
            self._ready(turn)

    def _to_hbm(self, turn: Turn) -> None:
        turn.pe.copies.submit(turn.pe.copy_in, turn.hit * self._kv_bytes, self._submit_s(turn.hit), self._in_hbm, turn)

    def _in_hbm(self, turn: Turn) -> None:
        turn.pe.node.buffer.give_back(turn.hit * self._kv_bytes)
        self._ready(turn)

    def begin_forward(self, chunks: Sequence[Chunk]) -> Streams:
        """Nothing: no transfer runs beside the computation."""
        return NO_STREAMS

    def end_forward(self, chunks: Sequence[Chunk]) -> None:
        """Nothing: the buffer was left before the forward."""

    def prefilled(self, turn: Turn) -> None:
        """Move the whole KV-cache to the decode node's buffer, free the HBM, go on as the layer-wise loader does."""
        turn.de.node.buffer.take(turn.prompt * self._kv_bytes, lambda: self._hand_over(turn))

    def _hand_over(self, turn: Turn) -> None:
        way = route(paths.hand_over(turn.pe.ports, turn.de.ports))
        turn.pe.copies.submit(way, turn.prompt * self._kv_bytes, self._submit_s(turn.prompt), self._handed_over, turn)

    def _handed_over(self, turn: Turn) -> None:
        turn.pe.hbm.give_back(turn.prompt * self._kv_bytes)
        super().prefilled(turn)
