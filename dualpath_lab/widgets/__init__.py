"""Widgets for notebooks; they need the ``notebook`` extra."""

try:
    from dualpath_lab.widgets.cluster_view import ClusterView
    from dualpath_lab.widgets.lab_app import LabApp
except ModuleNotFoundError as error:
    if (error.name or "").startswith("dualpath_lab"):
        raise
    raise ModuleNotFoundError(
        f"dualpath_lab.widgets needs {error.name}, which the extra 'notebook' brings: pip install 'dualpath-lab[notebook]'.",
        name=error.name,
    ) from error

__all__ = ["ClusterView", "LabApp"]
