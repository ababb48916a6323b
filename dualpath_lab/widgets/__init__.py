"""Widgets for notebooks; they need the ``notebook`` extra."""

from dualpath_lab.widgets.cluster_view import ClusterView

__all__ = ["ClusterView"]
