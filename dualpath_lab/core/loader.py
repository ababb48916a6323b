"""How a turn's KV-cache moves along its path, and when (section 4); :mod:`paths` says over which links.

Each hit token takes one of the two paths; a turn's tokens may be split over both. The middle steps, into PE HBM and on to the decode
engine, stream layer by layer beside the computation; :mod:`whole_loader` takes them before and after it instead.

A block goes to or from HBM in one copy for each layer, and each copy has to be submitted: a transfer can't be faster than its
submissions, which an engine makes one after the other. A decode engine that takes a sequence in spends its time for each of the
sequence's Layer Blocks besides.

A layer-wise engine holds a few layers at a time. So each later forward of a chunked request loads the hits again (steps 3-5), and with
them what earlier chunks computed, which lies in the decode node's buffer by then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from simpy import Environment

from dualpath_lab import calibration
from dualpath_lab.core import paths
from dualpath_lab.core.batching import Chunk
from dualpath_lab.core.engines import PrefillEngine
from dualpath_lab.core.network import Network
from dualpath_lab.core.storage import WriteQueue
from dualpath_lab.core.turn import Turn
from dualpath_lab.models import Model
from dualpath_lab.workload import BLOCK_TOKENS


class Streams(NamedTuple):
    """What streams beside a forward.

    Attributes
    ----------
    load : dict of int to int
        Bytes on each link, by its number.
    mean_bytes : float
        Of a chunk.
    submit_s : float
        Time that the engine with the most copies takes to submit them.
    ends_s : float
        Time in which the pipeline fills and drains: one layer's share of the transfer.
    """

    load: dict[int, int]
    mean_bytes: float
    submit_s: float
    ends_s: float


NO_STREAMS = Streams({}, 0.0, 0.0, 0.0)


class Loader:
    """Layer-wise loading over whichever sides the scheduler chose.

    Parameters
    ----------
    env : simpy.Environment
    network : Network
    model : Model
    block_submit_s, block_take_in_s : float
        Time to submit the copies of a block, and that a decode engine takes over the block's layers.
    """

    def __init__(self, env: Environment, network: Network, model: Model, block_submit_s: float, block_take_in_s: float) -> None:
        self._env = env
        self._network = network
        self._layers = model.layers
        self._kv_bytes = model.kv_bytes_per_token
        self._block_submit_s = block_submit_s
        self._block_take_in_s = block_take_in_s
        self._block_copy_s = block_submit_s + block_take_in_s
        self._when_read, self._when_copied = self._ready, self._arrived

    def begin(self, turn: Turn) -> None:
        """Bring the hit tokens of a placed turn within reach of its prefill engine, then let that engine have it."""
        if turn.hit == 0:
            self._ready(turn)
        elif turn.prefill_read:
            turn.pe.node.reads.read(turn.hit, turn.hit * self._kv_bytes, self._when_read, turn)
        else:
            turn.asked = turn.admitted = True
            turn.de.node.reads.read(turn.hit, turn.prompt * self._kv_bytes, self._when_read, turn)

    def candidates(self, engine: PrefillEngine) -> Iterator[Turn]:
        """Ready turns that the engine's next forward may take, first come first.

        A turn's KV-cache needs room in the decode node's buffer, which is asked for the first time; and a few layers of the KV-cache of all
        turns in the forward must fit in HBM.
        """
        room_bytes = engine.hbm.free_bytes
        for turn in engine.ready:
            if turn.admitted or self._admit(turn):
                room_bytes -= turn.layers_bytes
                if room_bytes < 0:
                    return
                yield turn

    def begin_forward(self, chunks: Sequence[Chunk]) -> Streams:
        """Take HBM for the forward's layers, and tell what streams beside it."""
        load: dict[int, int] = defaultdict(int)
        submit_s: dict[PrefillEngine, float] = defaultdict(float)
        chunk_bytes = 0
        for turn, cached, tokens, is_first, _ in chunks:
            pe, de = turn.pe.numbers, turn.de.numbers
            turn.pe.hbm.hold(turn.layers_bytes)
            near, far = turn.prefill_read, cached - turn.prefill_read
            if near:
                _add(load, paths.copy_in(pe), near * self._kv_bytes)
            if far:
                _add(load, paths.send_hits(de, pe), far * self._kv_bytes)
            stored = tokens
            if is_first:
                stored += near
            else:
                turn.prefill_reloaded += near
                turn.decode_reloaded += far
            _add(load, paths.hand_over(pe, de), stored * self._kv_bytes)
            submit_s[turn.pe] += self._submit_s(cached) + self._submit_s(stored)
            chunk_bytes += (cached + tokens) * self._kv_bytes
        capacities = self._network.capacities
        ends_s = max(size / capacities[link] for link, size in load.items()) / self._layers
        return Streams(load, chunk_bytes / len(chunks), max(submit_s.values()), ends_s)

    def end_forward(self, chunks: Sequence[Chunk]) -> None:
        """Leave HBM; after a turn's last forward its hit tokens leave the prefill node's buffer."""
        for chunk in chunks:
            turn = chunk.turn
            turn.pe.hbm.give_back(turn.layers_bytes)
            if chunk.is_last and turn.prefill_read:
                turn.pe.node.buffer.give_back(turn.prefill_read * self._kv_bytes)

    def prefilled(self, turn: Turn) -> None:
        """The turn's last forward is over: its KV-cache is complete in the decode node's buffer; bring it to the decode engine."""
        turn.first_token = self._env.now
        de, prompt = turn.de, turn.prompt
        de.copies.submit(de.copy_in, prompt * self._kv_bytes, _blocks(prompt) * self._block_copy_s, self._when_copied, turn)

    def decoded(self, full: Sequence[tuple[Turn, int]]) -> None:
        """So many more blocks of some turns are full: write them to storage."""
        queues: dict[WriteQueue, None] = {}
        for turn, blocks in full:
            writes = turn.de.node.writes
            writes.add(turn, blocks)
            queues[writes] = None
        for writes in queues:
            writes.write()

    def _admit(self, turn: Turn) -> bool:
        """Whether the turn has room in the decode node's buffer.

        Room for a forward is granted before room for reads, so that turns read on the prefill side can't starve.
        """
        if not turn.asked:
            turn.de.node.buffer.take(turn.prompt * self._kv_bytes, partial(self._admitted, turn), urgent=True)
            turn.asked = True
        return turn.admitted

    def _submit_s(self, tokens: int) -> float:
        """Time to submit the copies of so many tokens."""
        return _blocks(tokens) * self._block_submit_s

    def _admitted(self, turn: Turn) -> None:
        turn.admitted = True
        if turn.asked:
            turn.pe.group.wake()

    def _ready(self, turn: Turn) -> None:
        turn.read = self._env.now
        prompt_bytes = turn.prompt * self._kv_bytes
        turn.layers_bytes = min(prompt_bytes * calibration.LAYERS_IN_HBM // self._layers, prompt_bytes)
        turn.pe.enqueue(turn)

    def _arrived(self, turn: Turn) -> None:
        turn.de.node.buffer.give_back(turn.prompt * self._kv_bytes)
        turn.de.group.join(turn)


class NoLoader(Loader):
    """The zero-I/O bound: no reads, no copies, no transfer between prefill and decode, no write-back."""

    def begin(self, turn: Turn) -> None:
        """Let the prefill engine have the turn at once."""
        self._ready(turn)

    def candidates(self, engine: PrefillEngine) -> Iterator[Turn]:
        """All that are ready."""
        return iter(engine.ready)

    def begin_forward(self, chunks: Sequence[Chunk]) -> Streams:
        """Nothing."""
        return NO_STREAMS

    def end_forward(self, chunks: Sequence[Chunk]) -> None:
        """Nothing."""

    def prefilled(self, turn: Turn) -> None:
        """Have the decode engine take the turn in."""
        turn.first_token = self._env.now
        take_in_s = _blocks(turn.prompt) * self._block_take_in_s
        turn.de.copies.submit(turn.de.copy_in, 0, take_in_s, turn.de.group.join, turn)

    def decoded(self, full: Sequence[tuple[Turn, int]]) -> None:
        """Nothing to write."""


def _blocks(tokens: int) -> int:
    """Blocks that hold so many tokens."""
    return -(-tokens // BLOCK_TOKENS)


def _add(load: dict[int, int], links: Iterable[int], size_bytes: int) -> None:
    for link in links:
        load[link] += size_bytes
