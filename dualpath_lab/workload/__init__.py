"""What the agents do: the paper's datasets, recorded sessions, and how a scenario bends them."""

from dualpath_lab.workload.build import build_workload
from dualpath_lab.workload.paper import DATASETS
from dualpath_lab.workload.sources import load
from dualpath_lab.workload.statistics import statistics
from dualpath_lab.workload.traces import read_trace
from dualpath_lab.workload.trajectories import BLOCK_TOKENS, Workload

__all__ = ["BLOCK_TOKENS", "DATASETS", "Workload", "build_workload", "load", "read_trace", "statistics"]
