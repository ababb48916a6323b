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
        turn.pe.hbm.take(turn.prompt_bytes, lambda: self._read_whole(turn))

    def candidates(self, engine: PrefillEngine) -> Iterator[Turn]:
        """All that are ready: their KV-cache is in HBM, and stays there until after the forward."""
        return iter(engine.ready)

    def _read_whole(self, turn: Turn) -> None:
        if turn.hit:
            turn.pe.node.reads.read(turn.hit, turn.hit_bytes, turn.hit_bytes, lambda: self._to_hbm(turn))
        else:
            self._ready(turn)

    def _to_hbm(self, turn: Turn) -> None:
        pe = turn.pe

        def arrived() -> None:
            pe.node.buffer.give_back(turn.hit_bytes)
            self._ready(turn)

        pe.copies.submit(pe.copy_in, turn.hit_bytes, self._submit_s(turn.hit), arrived)

    def begin_forward(self, chunks: Sequence[Chunk]) -> Streams:
        """Nothing: no transfer runs beside the computation."""
        return NO_STREAMS

    def end_forward(self, chunks: Sequence[Chunk]) -> None:
        """Nothing: the buffer was left before the forward."""

    def prefilled(self, turn: Turn) -> None:
        """Move the whole KV-cache to the decode node's buffer, free the HBM, go on as the layer-wise loader does."""
        pe, de = turn.pe, turn.de

        def handed_over() -> None:
            pe.hbm.give_back(turn.prompt_bytes)
            super(WholeLoader, self).prefilled(turn)

        def move() -> None:
            pe.copies.submit(route(paths.hand_over(pe.ports, de.ports)), turn.prompt_bytes, self._submit_s(turn.prompt), handed_over)

        de.node.buffer.take(turn.prompt_bytes, move)
