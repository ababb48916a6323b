"""Storage, prefill and decode of a dense model once more, written apart from the core, plainly and slowly.

It knows one GPU a node, buffers and HBM that are never short, and links on which flows don't meet: what is left is who waits for whom
and for how long. Every decode step of every token is an event of its own, and a context grows with every token. Written from the
description of the systems alone; it shares no code with the simulation, and takes a model as seven published numbers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

BLOCK = 64


@dataclass(frozen=True)
class Machine:
    """What there is: bandwidths in bytes/s, rates in FLOP/s, sizes in bytes, times in s."""

    system: str
    decode_nodes: int
    storage: float
    compute: float
    hbm: float
    attention: float
    linear: float
    layers: int
    kv_bytes: int
    pair_flops: float
    parameters: float
    weights: float
    block_submit_s: float
    layer_block_s: float
    request_s: float
    quota_s: float
    fifo_tokens: int


@dataclass
class Work:
    """A turn on its way."""

    agent: int
    number: int
    hit: int
    new: int
    answer: int
    asked_s: float
    before: Work | None
    side: str = "prefill"
    node: int = 0
    done: int = 0
    said: int = 0
    stored: int = 0
    stored_s: float = 0.0
    first_s: float = 0.0
    ended_s: float = 0.0

    @property
    def prompt(self) -> int:
        return self.hit + self.new


@dataclass
class Fifo:
    """Serves one after the other; says when something that comes now is served."""

    free_s: float = 0.0

    def serve(self, now: float, seconds: float) -> float:
        self.free_s = max(now, self.free_s) + seconds
        return self.free_s


@dataclass
class Decoder:
    """A GPU that decodes, and the queues of its node."""

    reads: Fifo = field(default_factory=Fifo)
    copies: Fifo = field(default_factory=Fifo)
    writes: Fifo = field(default_factory=Fifo)
    to_read: int = 0
    tokens: int = 0
    running: list[Work] = field(default_factory=list)
    coming: list[Work] = field(default_factory=list)
    joining: list[Work] = field(default_factory=list)
    busy: bool = False


class Reference:
    """One prefill node and some decode nodes, every agent with turns of (old, new, answer) tokens, all starting at once."""

    def __init__(self, machine: Machine, agents: list[list[tuple[int, int, int]]]) -> None:
        self.machine = machine
        self.agents = agents
        self.ended: list[Work] = []
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()
        self._turn = count()
        self._now = 0.0
        self._reads = Fifo()
        self._to_read = 0
        self._ready: deque[Work] = deque()
        self._computing = False
        self._decoders = [Decoder() for _ in range(machine.decode_nodes)]

    def run(self) -> list[Work]:
        """All turns, in the order of their ends."""
        for agent in range(len(self.agents)):
            self._ask(agent, 0, None)
        while self._heap:
            self._now, _, happen = heappop(self._heap)
            happen()
        return self.ended

    def _at(self, time_s: float, happen: Callable[[], None]) -> None:
        heappush(self._heap, (time_s, next(self._number), happen))

    def _ask(self, agent: int, number: int, before: Work | None) -> None:
        old, new, answer = self.agents[agent][number]
        hit = min(old, old + new - 1) // BLOCK * BLOCK
        work = Work(agent, number, hit, old + new - hit, answer, self._now, before, stored=hit)
        self._at(self._now + self.machine.request_s, lambda: self._place(work))

    def _place(self, work: Work) -> None:
        before = work.before
        tokens = [decoder.tokens for decoder in self._decoders]
        work.node = next(self._turn) % len(tokens) if self.machine.system == "layerwise" else tokens.index(min(tokens))
        self._decoders[work.node].tokens += work.prompt + work.answer
        if self.machine.system == "dualpath" and self._decoders[work.node].to_read < self._to_read:
            work.side = "decode"
        self._at(max(self._now, before.stored_s if before else 0.0), lambda: self._read(work))

    def _read(self, work: Work) -> None:
        if self.machine.system == "oracle" or not work.hit:
            self._is_ready(work)
            return
        decoder = self._decoders[work.node]
        queue = self._reads if work.side == "prefill" else decoder.reads
        self._count(work, work.hit)

        def read() -> None:
            self._count(work, -work.hit)
            self._is_ready(work)

        self._at(queue.serve(self._now, work.hit * self.machine.kv_bytes / self.machine.storage), read)

    def _count(self, work: Work, tokens: int) -> None:
        if work.side == "prefill":
            self._to_read += tokens
        else:
            self._decoders[work.node].to_read += tokens

    def _is_ready(self, work: Work) -> None:
        self._ready.append(work)
        self._at(self._now, self._compute)

    def _attention_s(self, work: Work, tokens: int) -> float:
        """Every new token attends to all before it; each block of what is cached costs something in each layer."""
        machine, start = self.machine, work.hit + work.done
        pairs = tokens * (2 * start + tokens + 1) / 2
        return pairs * machine.pair_flops / machine.attention + _blocks(start) * machine.layers * machine.layer_block_s

    def _compute(self) -> None:
        if self._computing or not self._ready:
            return
        machine, batch, attention_s = self.machine, [], 0.0
        tokens_left = machine.fifo_tokens
        quota = machine.system in ("dualpath", "oracle")
        while self._ready:
            work = self._ready[0]
            tokens = left = work.new - work.done
            if quota:
                while tokens and attention_s + self._attention_s(work, tokens) > machine.quota_s:
                    tokens -= 1
                tokens = max(tokens, 0 if batch else min(BLOCK, left))
            else:
                tokens = min(tokens, tokens_left)
            if not tokens:
                break
            attention_s += self._attention_s(work, tokens)
            tokens_left -= tokens
            batch.append((work, work.done, tokens))
            work.done += tokens
            if work.done < work.new:
                break
            self._ready.popleft()
        self._computing = True
        self._at(self._now + self._forward_s(batch, attention_s), lambda: self._computed([work for work, _, _ in batch]))

    def _forward_s(self, batch: list[tuple[Work, int, int]], attention_s: float) -> float:
        """All that is before a chunk comes into HBM, whichever chunk it is; what is new, and hits the first time, goes on from there."""
        machine = self.machine
        linear_s = 2 * machine.parameters * sum(tokens for _, _, tokens in batch) / machine.linear
        compute_s = max(attention_s + linear_s, machine.weights / machine.hbm)
        if machine.system == "oracle":
            return compute_s
        into = out = blocks = 0
        for work, done, tokens in batch:
            own_buffer = work.hit if work.side == "prefill" else 0
            moved = tokens + (0 if done else own_buffer)
            into, out = into + work.hit + done, out + own_buffer + moved
            blocks += _blocks(work.hit + done) + _blocks(moved)
        move_s = max(into, out) * machine.kv_bytes / machine.compute
        return max(compute_s + move_s / machine.layers, move_s, blocks * machine.block_submit_s)

    def _computed(self, works: list[Work]) -> None:
        self._computing = False
        for work in works:
            if work.done == work.new:
                work.first_s = self._now
                self._hand_over(work)
        self._compute()

    def _hand_over(self, work: Work) -> None:
        machine, decoder = self.machine, self._decoders[work.node]
        copy_s = _blocks(work.prompt) * machine.layers * machine.layer_block_s  # the host's
        if machine.system != "oracle":
            copy_s = max(copy_s + _blocks(work.prompt) * machine.block_submit_s, work.prompt * machine.kv_bytes / machine.compute)
        self._at(decoder.copies.serve(self._now, copy_s), lambda: self._join(work))

    def _join(self, work: Work) -> None:
        work.said = min(1, work.answer)
        if work.answer <= 1:
            self._store(work, work.prompt + work.answer)
            self._end(work)
            return
        decoder = self._decoders[work.node]
        decoder.coming.append(work)
        if not decoder.busy:
            self._step(decoder)

    def _step(self, decoder: Decoder) -> None:
        """One token more for everyone there; those who came during the last step wait for the next but one, unless nobody is there."""
        starting, decoder.joining, decoder.coming = decoder.joining, decoder.coming, []
        if not decoder.running and not starting:
            starting, decoder.joining = decoder.joining, []
        for work in starting:
            self._store(work, work.prompt + 1)
        decoder.running += starting
        decoder.busy = bool(decoder.running)
        if not decoder.busy:
            return
        machine = self.machine
        contexts = sum(work.prompt + work.said for work in decoder.running)
        seconds = (machine.weights + contexts * machine.kv_bytes) / machine.hbm
        seconds += len(decoder.running) * 2 * machine.parameters / machine.linear
        self._at(self._now + seconds, lambda: self._stepped(decoder))

    def _stepped(self, decoder: Decoder) -> None:
        for work in decoder.running:
            work.said += 1
            self._store(work, work.prompt + work.said)
        ended = [work for work in decoder.running if work.said == work.answer]
        decoder.running = [work for work in decoder.running if work.said < work.answer]
        for work in ended:
            self._end(work)
        self._step(decoder)

    def _store(self, work: Work, tokens: int) -> None:
        """Write blocks that are full now."""
        machine = self.machine
        blocks = (tokens - work.stored) // BLOCK
        if blocks > 0 and machine.system != "oracle":
            work.stored += blocks * BLOCK
            seconds = max(blocks * BLOCK * machine.kv_bytes / machine.storage, blocks * machine.block_submit_s)
            work.stored_s = self._decoders[work.node].writes.serve(self._now, seconds)

    def _end(self, work: Work) -> None:
        work.ended_s = self._now
        self._decoders[work.node].tokens -= work.prompt + work.answer
        self.ended.append(work)
        if work.number + 1 < len(self.agents[work.agent]):
            self._ask(work.agent, work.number + 1, work)


def _blocks(tokens: int) -> int:
    return -(-tokens // BLOCK)
