"""What each system is made of (section 10), and how a scenario turns one mechanism on or off by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dualpath_lab import calibration
from dualpath_lab.core.batching import Batching, ComputeQuota, TokenBudget
from dualpath_lab.core.cluster import Cluster
from dualpath_lab.core.loader import Loader, NoLoader
from dualpath_lab.core.scheduler import Adaptive, Place, RoundRobin, Scheduler, read_on_prefill_side, read_on_shorter_queue, split_read
from dualpath_lab.core.split_loader import SplitLoader
from dualpath_lab.core.whole_loader import WholeLoader
from dualpath_lab.hardware import Hardware
from dualpath_lab.models import Model
from dualpath_lab.scenario import Scenario, ScenarioError


@dataclass(frozen=True)
class Mechanisms:
    """What is on.

    Attributes
    ----------
    transfers : bool
        Off for the zero-I/O bound.
    layerwise : bool
        Prefill one layer at a time, transfers beside the computation.
    dual_path : bool
        Read on either side.
    split : bool
        Divide one read over both sides; matters under the adaptive scheduler only.
    adaptive : bool
        The adaptive scheduler, else round robin.
    compute_quota : bool
        Fill a forward up to the compute quota, else up to a number of tokens.
    """

    transfers: bool = True
    layerwise: bool = True
    dual_path: bool = True
    split: bool = False
    adaptive: bool = True
    compute_quota: bool = True


_SYSTEMS = {
    "basic": Mechanisms(layerwise=False, dual_path=False, adaptive=False, compute_quota=False),
    "layerwise": Mechanisms(dual_path=False, adaptive=False, compute_quota=False),
    "roundrobin": Mechanisms(adaptive=False, compute_quota=False),
    "dualpath": Mechanisms(),
    "split": Mechanisms(split=True),
    "oracle": Mechanisms(transfers=False),
}


def mechanisms(scenario: Scenario) -> Mechanisms:
    """What is on in a scenario: its system's mechanisms, less or more those that it sets itself.

    Raises
    ------
    ScenarioError
        If both sides are to be read without layer-wise prefill: what the decode side reads reaches a prefill engine layer by layer.
    """
    switched = {name: value for name, value in scenario.mechanisms.model_dump().items() if value is not None}
    chosen = replace(_SYSTEMS[scenario.system], **switched)
    if chosen.dual_path and not chosen.layerwise:
        raise ScenarioError(
            f"mechanisms.dual_path on and mechanisms.layerwise off, as this makes system {scenario.system!r}, is not allowed: "
            "reading on both sides needs layer-wise prefill."
        )
    return chosen


def make_loader(chosen: Mechanisms) -> type[Loader]:
    """The class that moves KV-cache."""
    if not chosen.transfers:
        return NoLoader
    if not chosen.layerwise:
        return WholeLoader
    return SplitLoader if chosen.split else Loader


def make_batching(chosen: Mechanisms, model: Model, hardware: Hardware) -> Batching:
    """What fills the forwards."""
    if chosen.compute_quota:
        return ComputeQuota(model, hardware.attention_flops_per_s, calibration.COMPUTE_QUOTA_S)
    return TokenBudget(model, calibration.FIFO_FORWARD_TOKENS)


def make_scheduler(chosen: Mechanisms, cluster: Cluster, place: Place, read_tokens_per_s: float, prefill_tokens_per_s: float) -> Scheduler:
    """Who decides.

    Parameters
    ----------
    read_tokens_per_s, prefill_tokens_per_s : float
        What a storage NIC reads and what a prefill engine gets through, in tokens/s.
    """
    if not chosen.adaptive:
        return RoundRobin(cluster, place, chosen.dual_path)
    two_sided = split_read if chosen.split else read_on_shorter_queue
    choose_side = two_sided if chosen.dual_path else read_on_prefill_side
    return Adaptive(cluster, place, choose_side, long_queue_tokens(read_tokens_per_s), calibration.BETA_S * prefill_tokens_per_s)


def long_queue_tokens(read_tokens_per_s: float) -> float:
    """The scheduler's alpha: from where on a read queue is long, for a storage NIC that reads so many tokens/s."""
    return calibration.ALPHA_S * read_tokens_per_s
