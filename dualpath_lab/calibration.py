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

ATTENTION_FLOPS_PER_S = 336e12
"""Fitted on R1 (JCT 3,167 s), in a fixed proportion of 3 to 4 to ``LINEAR_FLOPS_PER_S``: rate of prefill attention on one GPU."""

LINEAR_FLOPS_PER_S = 448e12
"""Fitted on R1: rate of everything else in a prefill forward, per GPU of the group."""

PREFILL_LAYER_OVERHEAD_S = 1e-3
"""Assumed: time an expert-parallel layer of a prefill forward takes however few tokens it has (launches, dispatch, combine). Of 0.8, 1, 1.6
and 3.3 ms that were tried, the longer ones leave DualPath further behind the oracle: R4 was seen when this was chosen, and is no
independent prediction."""

DECODE_LAYER_OVERHEAD_S = 0.030 / 61
"""Fitted on R10 (TPOT 0.039 s): time an expert-parallel layer of a decode step takes beyond reading memory and computing."""

FIFO_FORWARD_TOKENS = 2048
"""Assumed: tokens that a prefill engine without compute quota puts into one forward (a common chunked-prefill setting)."""

PREFILL_KV_HBM_BYTES = 6e9
"""Fitted on R7 (+layerwise: 17.2 %): HBM of a prefill GPU that holds whole KV-caches where prefill is not layer-wise."""

EXPERT_PARALLEL_NODES = {"prefill": 2, "decode": 4}
"""Published (section 10: DS 660B runs as 2P4D, and 48P96D is 24 of them): nodes that one expert-parallel group spans at most."""

EXPERT_PARALLEL_MODEL_SHARE = 0.05
"""Estimated: dispatch and combine move 8 + 16 bits a hidden element, once for each other node, for each token and MoE layer: about
1.2 MB a token for DS 660B, 2 GB/s a GPU at its prefill rate, 4 % of a 400 Gb/s NIC; decode steps carry less."""
