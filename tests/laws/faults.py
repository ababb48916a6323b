"""Small faults, each of which the suite has to notice; :mod:`mutants` plants them."""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """A file of the core, a piece of it that stands there once, what stands there instead, and what that breaks."""

    file: str
    right: str
    wrong: str
    what: str


FAULTS = (
    # The two paths
    Fault(
        "paths.py",
        "return de.dram, de.cnic_tx, pe.cnic_rx",
        "return de.cnic_tx, pe.cnic_rx",
        "the second path skips the decode node's DRAM",
    ),
    Fault(
        "paths.py", "return de.dram, de.cnic_tx, pe.cnic_rx", "return de.dram, de.cnic_rx, pe.cnic_tx", "the second path runs the wrong way"
    ),
    Fault(
        "paths.py",
        "return engine.dram, engine.cnic_tx, engine.cnic_rx",
        "return engine.dram, engine.cnic_rx",
        "a loop-back takes one direction",
    ),
    Fault("paths.py", "return pe.cnic_tx, de.cnic_rx, de.dram", "return pe.cnic_tx, de.cnic_rx", "the hand-over skips DRAM"),
    Fault("paths.py", "de.dram, de.dram, de.snic_tx", "de.dram, de.snic_tx", "write-back crosses DRAM once"),
    # Loading
    Fault("loader.py", "if is_first:", "if True:", "every chunk hands the hits over again"),
    Fault("loader.py", "            stored = tokens\n", "            stored = 0\n", "misses are not handed over"),
    Fault(
        "loader.py",
        "near, far = turn.prefill_read, cached - turn.prefill_read",
        "near, far = (turn.prefill_read, cached - turn.prefill_read) if is_first else (0, 0)",
        "later chunks load nothing again",
    ),
    Fault(
        "loader.py",
        "if chunk.is_last and turn.prefill_read:",
        "if chunk.is_first and turn.prefill_read:",
        "a prefill node's buffer is given back after the first chunk",
    ),
    Fault(
        "loader.py",
        "self._block_copy_s = block_submit_s + block_take_in_s",
        "self._block_copy_s = block_submit_s",
        "a decode engine takes no time to take a sequence in",
    ),
    Fault(
        "loader.py",
        "take_in_s = _blocks(turn.prompt) * self._block_take_in_s",
        "take_in_s = 0.0",
        "the oracle's decode engine takes no time to take a sequence in",
    ),
    Fault(
        "loader.py",
        "turn.pe.node.buffer.give_back(turn.prefill_read",
        "turn.pe.node.buffer.give_back(turn.hit",
        "more buffer is given back than was taken",
    ),
    Fault("loader.py", "        if turn.asked:\n            turn.pe.group.wake()\n", "", "a turn that gets its buffer wakes nobody"),
    Fault(
        "loader.py", "turn.de.node.buffer.give_back(turn.prompt * self._kv_bytes)", "pass", "the decode node's buffer is never given back"
    ),
    Fault("whole_loader.py", "pe.hbm.give_back(turn.prompt *", "pe.hbm.give_back(turn.hit *", "some HBM is never given back"),
    Fault("split_loader.py", "        if not turn.reads_left:\n", "        if True:\n", "a split read is over when its first half is"),
    # Storage and memory
    Fault("storage.py", "        self.tokens -= self._turn_tokens\n", "", "a read queue only ever grows"),
    Fault("storage.py", "self.tokens += tokens", "self.tokens += buffer_bytes", "a read queue counts bytes for tokens"),
    Fault(
        "storage.py",
        "        turn.written = self._added = self._added + 1\n",
        "        self._added += 1\n        turn.written = turn.written or self._added\n",
        "of several writes of a turn, the first counts as all",
    ),
    Fault(
        "storage.py",
        "        if self._blocks:\n            self._start()\n",
        "        if False:\n            self._start()\n",
        "blocks that fill during a write are forgotten",
    ),
    Fault("engines.py", "        if self._waiting:\n", "        if False:\n", "of an engine's copies only the first is made"),
    Fault("memory.py", "if size_bytes > self.free_bytes:", "if False:", "memory is granted that is not free"),
    Fault(
        "memory.py",
        "while self._asked:",
        "if self._asked:",
        "freed memory serves one who waits, not all",
    ),
    Fault("memory.py", "(self._urgent or not urgent)", "self._urgent", "a small request overtakes the large one before it"),
    Fault("memory.py", "            self._asked += 1\n", "", "who waits for memory is never served"),
    Fault("turn.py", "min(available, context + append - 1)", "min(available, context + append)", "a whole prompt may be hit"),
    # Scheduling
    Fault(
        "scheduler.py",
        "decode.node.read_tokens < prefill.node.read_tokens",
        "decode.node.read_tokens > prefill.node.read_tokens",
        "the longer read queue is chosen",
    ),
    Fault("scheduler.py", "place = tokens.index(min(tokens))", "place = tokens.index(max(tokens))", "the busiest prefill engine is chosen"),
    Fault("scheduler.py", "if tokens[place] > self._beta:", "if False:", "no prefill engine is ever overloaded"),
    Fault("scheduler.py", "self._group_tokens.index(min(self._group_tokens))", "0", "phase 1 knows one decode group"),
    Fault("private_queue.py", "        self._free_bytes += turn.hbm_bytes\n", "", "Z forgets the HBM that is free again"),
    Fault(
        "scheduler.py",
        "private.assign()\n\n    def read_ended",
        "pass\n\n    def read_ended",
        "a turn that ends lets nobody in (a lost wake-up)",
    ),
    Fault("scheduler.py", "/ 2 / BLOCK_TOKENS)", "/ BLOCK_TOKENS)", "a split read is divided twice as unevenly"),
    Fault("private_queue.py", "        self._sequences[place] -= 1\n", "", "sequences that have ended count on"),
    # Prefill and decode
    Fault("batching.py", "while too_many - fits > 1:", "while too_many - fits > 2:", "the quota's search ends one step early"),
    Fault("batching.py", "attention_s(cached, tried)", "attention_s(0, tried)", "the quota forgets the context"),
    Fault(
        "batching.py",
        "            spent_s += seconds\n",
        "            spent_s = seconds\n",
        "the quota holds for each request, not for the forward",
    ),
    Fault(
        "batching.py",
        "Chunk(turn, cached, tokens, not turn.prefilled, tokens == left)",
        "Chunk(turn, cached, tokens, not turn.prefilled, True)",
        "a turn that is cut counts as prefilled",
    ),
    Fault("prefill.py", "slowest_s = max(attention_s)", "slowest_s = min(attention_s)", "a forward waits for its quickest GPU"),
    Fault(
        "prefill.py",
        "            turn.pe.tokens -= turn.prompt\n",
        "            turn.pe.tokens -= turn.computed\n",
        "a prefill engine's tokens never go back to nothing",
    ),
    Fault(
        "prefill.py",
        "        self._start_forward()\n        for turn in prefilled:",
        "        for turn in prefilled:",
        "a forward that ends starts no other",
    ),
    Fault(
        "decode.py",
        "max(self.step_bytes)",
        "min(self.step_bytes)",
        "a step waits for its quickest GPU",
    ),
    Fault(
        "decode.py",
        "else self._due_steps[0] - self._step",
        "else max(self._due) - self._step",
        "steps that differ pass as one",
    ),
    Fault(
        "decode.py",
        "joined, self._prepared, self._joining = self._prepared, self._joining, []",
        "joined, self._prepared, self._joining = self._joining, [], []",
        "a sequence joins a step that was prepared without it",
    ),
    Fault("decode.py", "if not self._sequences and not joined:", "if False:", "an idle group waits for a step of nobody"),
    Fault(
        "decode.py",
        "self._model.weight_read_bytes(self._sequences, len(self.engines))",
        "self._model.weight_bytes / len(self.engines)",
        "a step reads every weight, once a group",
    ),
    Fault("decode.py", "if not turn.tokens % BLOCK_TOKENS:", "if False:", "a block that is just full at the end is not written"),
    Fault(
        "decode.py",
        "                full.append((turn, 1))\n                self._grow",
        "                self._grow",
        "only blocks that are full when a sequence begins or ends are written",
    ),
    Fault("decode.py", "turn.hit // BLOCK_TOKENS", "turn.hit // BLOCK_TOKENS + 1", "the last block that storage has is written again"),
    Fault("storage.py", "if turn.written <= self._stored:", "if False:", "who has nothing to write waits for the write under way"),
    Fault(
        "storage.py",
        "heappush(self._waiting, (turn.written, then, waiting))",
        "self._waiting.append((turn.written, then, waiting))",
        "who waits for a write goes on in the order of asking",
    ),
    Fault("decode.py", "tokens = turn.prompt + 1", "tokens = turn.prompt", "one token too many is decoded"),
    Fault(
        "decode.py",
        "self.step_bytes[turn.de.place] = step_bytes - turn.step_bytes",
        "pass",
        "those who have ended are read in every step",
    ),
    Fault("decode.py", "if step_bytes == self._most_bytes:", "if False:", "a step is as long as the fullest GPU ever made it"),
    Fault("decode.py", "step_bytes > self._most_bytes:", "False:", "a GPU that gets fuller than the fullest makes no step longer"),
    # What forwards and memory cost
    Fault(
        "prefill_time.py",
        "self._hardware.attention_flops_per_s + blocks * self._block_s",
        "self._hardware.attention_flops_per_s",
        "cached blocks cost no time",
    ),
    Fault(
        "batching.py",
        "tokens, seconds = left, self._attention_s(cached, left)",
        "tokens, seconds = left, self._attention_s(0, left)",
        "the quota leaves out what is cached",
    ),
    Fault("prefill_time.py", ", self._floor_s, weights_s)", ", weights_s)", "the host launches layers in no time"),
    Fault("cluster.py", "model.weight_bytes_per_gpu(gpus)", "model.weight_bytes", "routed experts count whole on each GPU"),
    # What is recorded
    Fault(
        "recorder.py",
        'table["second_token"] - table["first_token"]',
        'table["second_token"] - table["submitted"]',
        "TTST counts from submission",
    ),
    Fault("recorder.py", 'table["generate"] - 1.0', 'table["generate"]', "TPOT is over all tokens"),
    # Alarms
    Fault("alarm.py", "if self._at > self.env.now:", "if False:", "an alarm that was put off rings at the time set before"),
    Fault(
        "alarm.py",
        "        if pending[-1] < inf:\n            self.callbacks = _LISTENERS\n",
        "",
        "an alarm that was brought forward loses its later events",
    ),
    Fault("alarm.py", "if time_s < pending[-1]:", "if pending[-1] == inf:", "an alarm can't be brought forward"),
    # The network
    Fault("network.py", "if ends_at != self._at:", "if ends_at > self._at:", "a flow that ends before all others ends too late"),
    Fault("fairness.py", "level = max(link.room, 0.0) / link.weight", "level = max(link.room, 0.0)", "everyone gets the whole link"),
    Fault("fairness.py", "this.left -= moved", "this.left -= 0.99 * moved", "bytes are carried twice"),
    Fault(
        "fairness.py", "bins[last] += per_s * (now - last * bin_s)", "bins[last] += per_s * bin_s", "the last bin holds more than there was"
    ),
    Fault("fluid.py", "link.kv_capacity = link.capacity - model_rate", "link.kv_capacity = link.capacity", "model traffic takes no room"),
    Fault(
        "fluid.py",
        "        count = join_held_back(net, count, crossing.link)\n    gone.rate",
        "    gone.rate",
        "a flow that ends speeds nobody up",
    ),
    # Virtual lanes
    Fault(
        "virtual_lanes.py",
        "lane = high.pick(next_bytes, credits) if budget > 0 else -1",
        "lane = high.pick(next_bytes, credits)",
        "the low table never has its chance",
    ),
    Fault("virtual_lanes.py", "self._at, self._left = at, left - size", "self._at, self._left = at, left", "a weight is never used up"),
    # Agents
    Fault(
        "simulation.py", "        elif pause_s := self._gap_s[row]:", "        elif pause_s := 0 * self._gap_s[row]:", "tools take no time"
    ),
    Fault(
        "simulation.py",
        "partial(self._submit, turn.agent, row, turn)",
        "partial(self._submit, turn.agent, row)",
        "after a pause nobody waits for the blocks before",
    ),
)
