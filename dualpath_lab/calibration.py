"""Every constant that the paper's formulas leave open, once, with its provenance.

*Published* constants stand in the reference or a data sheet. *Fitted* ones were chosen so that the [calibrate] rows named beside them,
and no other, come out. *Assumed* and *estimated* ones say on what grounds.
"""

from __future__ import annotations

COMPUTE_QUOTA_S = 0.3
"""Published (section 7): attention time that one forward of a prefill engine may take."""

ALPHA_S = 3.0
"""Published (section 7): a read queue longer than what a storage NIC reads in this time is long."""

BETA_S = 5.0
"""Published (section 7): an engine with more tokens than it can process in this time is overloaded."""

HBM_RESERVE = 0.18
"""Assumed: share of HBM that holds neither weights nor KV-cache: activations of a forward, communication buffers, CUDA's own. SGLang's
published commands for DeepSeek-V3 leave 0.15 to 0.20. What ``basic`` can hold of whole KV-caches depends on it; docs/reproduction.md shows
by how much."""

ATTENTION_FLOPS_PER_S = 640e12
"""Published (FlashMLA, sparse prefill on H800, the best case): rate of prefill attention on one GPU."""

LINEAR_FLOPS_PER_S = 1200e12
"""Published (DeepGEMM, grouped FP8 GEMMs of DeepSeek-V3's shapes on H800, their mean): rate of everything else in a prefill forward, per
GPU of the group."""

LAYER_BLOCK_S = 2.65e-06
"""Fitted on A1, A2 and A5: time that an engine takes over one Layer Block of a cached prefix, besides FLOPs and copies. A prefill engine
spends it within attention, in every forward that attends to the block; a decode engine once, as it takes a sequence in."""

REQUEST_S = 0.312
"""Fitted on A1, A2 and A5: time between an agent's submission and the moment when the scheduler knows of it: the host tokenises the prompt
and looks its blocks up. No engine waits for it."""

PREFILL_LAYER_S = 0.00302
"""Fitted on A1, A2 and A5: time of an expert-parallel layer of a prefill forward that adds to its computation: latency of dispatch and
combine, pipeline ends."""

PREFILL_LAYER_FLOOR_S = 0.00669
"""Fitted on A1, A2 and A5: least time of an expert-parallel layer of a prefill forward, however few tokens it has: the host's launches and
synchronisation, which run beside the GPU's work."""

DECODE_LAYER_S = 0.000224
"""Fitted on A4: time of an expert-parallel layer of a decode step that adds to its reads and FLOPs: launches, latency of dispatch and
combine."""

STORAGE_EFFICIENCY = 0.579
"""Fitted on A3: what of a storage NIC's nominal bandwidth reads get."""

LATE_FOR_STEP = 0.02
"""Assumed: part of a decode step in which a sequence may still join it, so that two that come all but together stay together."""

FIFO_FORWARD_TOKENS = 2048
"""Assumed: tokens that a prefill engine without compute quota puts into one forward (a common chunked-prefill setting)."""

EXPERT_PARALLEL_NODES = {"prefill": 2, "decode": 4}
"""Published (section 10: DS 660B runs as 2P4D, and 48P96D is 24 of them): nodes that one expert-parallel group spans at most."""

MOST_MODEL_SHARE = 0.99
"""Published (section 6): what a contended compute NIC reserves for model traffic; KV traffic keeps the rest."""

COPY_SUBMIT_S = {"rdma": 1e-6 / 32, "copy_engine": 6e-6}
"""Published (section 4): about 1 us for an RDMA write, 5-7 us for a call of the copy engine. Assumed: 32 writes share a doorbell."""

LAYERS_IN_HBM = 2
"""Assumed: layers whose KV-cache a layer-wise prefill engine holds at a time, one in use and one on its way."""
