"""The way of a turn's KV-cache: which bytes cross which links, in which order (section 4).

Every copy to or from a GPU crosses that GPU's compute NIC; a local copy (DRAM <-> HBM) loops back and so takes both of its directions.

    prefill side: storage -> PE buffer | PE buffer -> PE HBM | hit + miss: PE HBM -> DE buffer | DE buffer -> DE HBM
    decode side:  storage -> DE buffer | DE buffer -> PE HBM |       miss: PE HBM -> DE buffer | DE buffer -> DE HBM

Each hit token takes one of the two paths; a turn's tokens may be split over both.

The two middle steps stream layer by layer beside the computation; :class:`WholeLoader` does them before and after it instead.

During decode each block is written to storage as soon as it is full: DE HBM -> DE DRAM -> storage.

Simplifications: submitting a copy costs nothing, and the HBM that one layer's KV-cache takes under layer-wise prefill is not counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from simpy import Environment

from dualpath_lab.core.batching import Chunk
from dualpath_lab.core.network import Link, Network
from dualpath_lab.core.turn import Turn
from dualpath_lab.workload import BLOCK_TOKENS

ForwardLoad = tuple[dict[Link, int], float]


class Loader:
    """Layer-wise loading over whichever sides the scheduler chose.

    Parameters
    ----------
    env : simpy.Environment
    network : Network
    kv_bytes_per_token : int
        Of all layers.
    """

    def __init__(self, env: Environment, network: Network, kv_bytes_per_token: int) -> None:
        self._env = env
        self._network = network
        self._kv_bytes = kv_bytes_per_token

    def begin(self, turn: Turn) -> None:
        """Bring the hit tokens of a placed turn within reach of its prefill engine, then let that engine have it."""
        if turn.hit == 0:
            self._ready(turn)
        elif turn.prefill_read:
            turn.pe.node.reads.read(turn.hit, turn.hit_bytes, turn.hit_bytes, lambda: self._ready(turn))
        else:
            turn.asked = turn.admitted = True
            turn.de.node.reads.read(turn.hit, turn.hit_bytes, turn.prompt_bytes, lambda: self._ready(turn))

    def admit(self, turn: Turn) -> bool:
        """Whether a forward may take the turn: its KV-cache needs room in the decode node's buffer, which is asked for the first time.

        Room for a forward is granted before room for reads, so that turns read on the prefill side can't starve.
        """
        if not turn.asked:
            turn.de.node.buffer.take(turn.prompt_bytes, lambda: self._admitted(turn), urgent=True)
            turn.asked = True
        return turn.admitted

    def forward_load(self, chunks: Sequence[Chunk]) -> ForwardLoad:
        """Bytes on each link that stream beside a forward of these chunks, and the mean bytes of a chunk."""
        load: dict[Link, int] = defaultdict(int)
        chunk_bytes = 0
        for turn, cached, tokens in chunks:
            pe, de = turn.pe, turn.de
            store_bytes = tokens * self._kv_bytes
            if cached == turn.hit and turn.hit:
                prefill_bytes = turn.prefill_read * self._kv_bytes
                decode_bytes = turn.hit_bytes - prefill_bytes
                load[pe.cnic_rx] += turn.hit_bytes
                load[pe.node.dram] += prefill_bytes
                load[pe.cnic_tx] += prefill_bytes
                load[de.node.dram] += decode_bytes
                load[de.cnic_tx] += decode_bytes
                store_bytes += prefill_bytes
            load[pe.cnic_tx] += store_bytes
            load[de.cnic_rx] += store_bytes
            load[de.node.dram] += store_bytes
            chunk_bytes += (cached + tokens) * self._kv_bytes
        return load, chunk_bytes / len(chunks)

    def loaded(self, turn: Turn) -> None:
        """The turn's first forward is over: its hit tokens have left the prefill node's buffer."""
        if turn.prefill_read:
            turn.pe.node.buffer.give_back(turn.prefill_read * self._kv_bytes)

    def prefilled(self, turn: Turn) -> None:
        """The turn's last forward is over: its KV-cache is complete in the decode node's buffer; bring it to the decode engine."""
        turn.first_token = turn.second_token = self._env.now
        de = turn.de

        def arrived() -> None:
            de.node.buffer.give_back(turn.prompt_bytes)
            self._decode(turn)

        de.copies.submit({de.node.dram: turn.prompt_bytes, de.cnic_tx: turn.prompt_bytes, de.cnic_rx: turn.prompt_bytes}, arrived)

    def decoded(self, turn: Turn, tokens: int) -> None:
        """The turn has come to ``tokens`` tokens: write the blocks that are newly full to storage."""
        full = tokens // BLOCK_TOKENS * BLOCK_TOKENS
        if full <= turn.stored:
            return
        size = (full - turn.stored) * self._kv_bytes
        turn.stored = full
        turn.writes += 1
        de = turn.de

        def written() -> None:
            turn.writes -= 1
            if turn.when_stored and not turn.writes:
                turn.when_stored()

        self._network.start({de.cnic_tx: size, de.cnic_rx: size, de.node.dram: 2 * size, de.node.snic_tx: size}, written)

    def when_stored(self, turn: Turn, then: Callable[[], None]) -> None:
        """Call ``then`` as soon as all full blocks of a turn that has ended are in storage."""
        if turn.writes:
            turn.when_stored = then
        else:
            then()

    def _admitted(self, turn: Turn) -> None:
        turn.admitted = True
        if turn.asked:
            turn.pe.group.wake()

    def _ready(self, turn: Turn) -> None:
        turn.read = self._env.now
        turn.pe.enqueue(turn)

    def _decode(self, turn: Turn) -> None:
        turn.de.group.join(turn)


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
            turn.de.node.buffer.take(turn.prompt_bytes, lambda: self._read(turn))
        else:
            self._read(turn)

    def _read(self, turn: Turn) -> None:
        reads = [(node, tokens) for node, tokens in ((turn.pe.node, turn.prefill_read), (turn.de.node, turn.decode_read)) if tokens]
        turn.reads_left = len(reads)
        if not reads:
            self._ready(turn)

        def done() -> None:
            turn.reads_left -= 1
            if not turn.reads_left:
                self._ready(turn)

        for node, tokens in reads:
            node.reads.read(tokens, tokens * self._kv_bytes, 0, done)


class WholeLoader(Loader):
    """Loading without layer-wise prefill: whole KV-caches move before and after the forward and sit in PE HBM from the first byte read."""

    def begin(self, turn: Turn) -> None:
        """Take HBM, read, copy the hit tokens into HBM, then let the prefill engine have the turn."""
        turn.pe.hbm.take(turn.prompt_bytes, lambda: self._read_whole(turn))

    def admit(self, turn: Turn) -> bool:
        """Always: the KV-cache stays in HBM until after the forward."""
        return True

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

        pe.copies.submit({pe.node.dram: turn.hit_bytes, pe.cnic_tx: turn.hit_bytes, pe.cnic_rx: turn.hit_bytes}, arrived)

    def forward_load(self, chunks: Sequence[Chunk]) -> ForwardLoad:
        """Nothing: no transfer runs beside the computation."""
        return {}, 0.0

    def loaded(self, turn: Turn) -> None:
        """Nothing: the buffer was left before the forward."""

    def prefilled(self, turn: Turn) -> None:
        """Move the whole KV-cache to the decode node's buffer, free the HBM, go on as the layer-wise loader does."""
        pe, de = turn.pe, turn.de

        def handed_over() -> None:
            pe.hbm.give_back(turn.prompt_bytes)
            super(WholeLoader, self).prefilled(turn)

        def move() -> None:
            pe.copies.submit({pe.cnic_tx: turn.prompt_bytes, de.cnic_rx: turn.prompt_bytes, de.node.dram: turn.prompt_bytes}, handed_over)

        de.node.buffer.take(turn.prompt_bytes, move)


class NoLoader(Loader):
    """The zero-I/O bound: no reads, no copies, no transfer between prefill and decode, no write-back."""

    def begin(self, turn: Turn) -> None:
        """Let the prefill engine have the turn at once."""
        self._ready(turn)

    def admit(self, turn: Turn) -> bool:
        """Always."""
        return True

    def forward_load(self, chunks: Sequence[Chunk]) -> ForwardLoad:
        """Nothing."""
        return {}, 0.0

    def loaded(self, turn: Turn) -> None:
        """Nothing."""

    def prefilled(self, turn: Turn) -> None:
        """Decode at once."""
        turn.first_token = turn.second_token = self._env.now
        self._decode(turn)

    def decoded(self, turn: Turn, tokens: int) -> None:
        """Nothing to write."""
