"""Widgets for notebooks; they need the ``notebook`` extra."""

from dualpath_lab.widgets.cluster_view import ClusterView
from dualpath_lab.widgets.lab_app import LabApp

__all__ = ["ClusterView", "LabApp"]
