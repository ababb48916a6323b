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

HBM_BYTES_PER_S = 4.8e12
"""Published (H200 data sheet): memory bandwidth of one GPU."""

HBM_USABLE = 0.9
"""Assumed: share of HBM left to weights and KV-cache once activations and fragments are taken off."""

ATTENTION_FLOPS_PER_S = 300e12
"""Fitted on R1 (JCT 3,167 s): rate of prefill attention on one GPU. The round numbers of the sketch in section 12, this one and the next,
needed no change: over seeds 0 and 1 the JCT came out 0.9 % long."""

LINEAR_FLOPS_PER_S = 400e12
"""Fitted on R1: rate of everything else in a prefill forward, per GPU of the group."""

LAYER_OVERHEAD_S = 0.0294 / 61
"""Fitted on R10 (TPOT 0.039 s): time an expert-parallel layer takes however few tokens it has (launches, latency of dispatch and combine),
the same in a decode step and in a prefill forward."""

LATE_FOR_STEP = 0.02
"""Assumed: part of a decode step in which a sequence may still join it, so that two that come all but together stay together."""

FIFO_FORWARD_TOKENS = 2048
"""Assumed: tokens that a prefill engine without compute quota puts into one forward (a common chunked-prefill setting)."""

PREFILL_KV_HBM_BYTES = 6e9
"""Fitted on R7 (+layerwise: 17.2 %): HBM of a prefill GPU that holds whole KV-caches where prefill is not layer-wise."""

EXPERT_PARALLEL_NODES = {"prefill": 2, "decode": 4}
"""Published (section 10: DS 660B runs as 2P4D, and 48P96D is 24 of them): nodes that one expert-parallel group spans at most."""

MOST_MODEL_SHARE = 0.99
"""Published (section 6): what a contended compute NIC reserves for model traffic; KV traffic keeps the rest."""

COPY_SUBMIT_S = {"rdma": 1e-6 / 32, "copy_engine": 6e-6}
"""Published (section 4): about 1 us for an RDMA write, 5-7 us for a call of the copy engine. Assumed: 32 writes share a doorbell."""

LAYERS_IN_HBM = 2
"""Assumed: layers whose KV-cache a layer-wise prefill engine holds at a time, one in use and one on its way."""
