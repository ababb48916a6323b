"""DualPath Lab: see, measure and redesign the path that KV-cache takes through an LLM serving cluster."""

from dualpath_lab.core.dispatch import Placement, PolicyError
from dualpath_lab.core.policy import Policy
from dualpath_lab.result import Result
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.studies.compare import Comparison, compare
from dualpath_lab.studies.run import simulate
from dualpath_lab.workload import Workload

__version__ = "0.1.0"
__all__ = [
    "Comparison",
    "Placement",
    "Policy",
    "PolicyError",
    "Result",
    "Scenario",
    "ScenarioError",
    "Workload",
    "compare",
    "simulate",
]
