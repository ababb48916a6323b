"""A policy of the user's own: from the name of its class to a scheduler whose errors are told in a sentence."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from typing import Any, cast

from dualpath_lab.core.dispatch import Dispatch, PolicyError
from dualpath_lab.core.policy import EVENTS, MakeScheduler, Scheduler, raised
from dualpath_lab.core.turn_view import TurnView
from dualpath_lab.core.views import ClusterView, NodeView
from dualpath_lab.scenario import ScenarioError


def load_policy(system: str) -> MakeScheduler:
    """Import a policy; the current folder is on Python's path meanwhile.

    Parameters
    ----------
    system : str
        ``package.module:Class``. Importing runs the module, so it must not come from a stranger.

    Raises
    ------
    ScenarioError
        If there is no such module or class, its import fails, or it is no policy.
    """
    module_name, _, class_name = system.partition(":")
    try:
        with _current_folder_on_path():
            module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise _refused(system, f"there is no module {error.name} in the current folder or on Python's path") from None
        raise _refused(system, f"the import of {module_name} {raised(error)}") from error
    try:
        found: Any = reduce(getattr, class_name.split("."), module)
    except AttributeError:
        raise _refused(system, f"there is no {class_name} in {module_name}") from None
    if not isinstance(found, type):
        raise _refused(system, f"{class_name} is {type(found).__name__}, and not a class")
    missing = [*getattr(found, "__abstractmethods__", ()), *(name for name in EVENTS if not callable(getattr(found, name, None)))]
    if missing:
        raise _refused(
            system, f"the class lacks {', '.join(missing)}; a policy is a Policy with a method place, or has all of {', '.join(EVENTS)}"
        )
    return cast(MakeScheduler, found)


def source_of(system: str) -> str:
    """The source of a policy's module, by which a changed one is told from what it was.

    Raises
    ------
    ScenarioError
        As :func:`load_policy`, and if the module has no file, as that of a notebook has none.
    """
    load_policy(system)
    module = sys.modules[system.partition(":")[0]]
    try:
        if module.__name__ != "__main__":
            return inspect.getsource(module)
    except (OSError, TypeError):
        pass
    raise _refused(
        system, "its class is not in a file that other processes can import; put it into one, such as mine.py, and name it mine:Class"
    )


def make_own(system: str, cluster: ClusterView, dispatch: Dispatch) -> Scheduler:
    """Make a scheduler of a policy.

    Raises
    ------
    ScenarioError
        As :func:`load_policy`.
    PolicyError
        If it raises when it is made.
    """
    policy = load_policy(system)
    try:
        return Guarded(policy(cluster, dispatch), dispatch)
    except PolicyError:
        raise
    except (Exception, SystemExit) as error:
        raise dispatch.error(f"when it was made, it {raised(error)}") from error


class Guarded:
    """A scheduler that tells whatever another one raises with what that was deciding."""

    def __init__(self, scheduler: Scheduler, dispatch: Dispatch) -> None:
        self.policy = scheduler
        self._dispatch = dispatch

    def submit(self, turn: TurnView) -> None:
        """Pass it on."""
        with self._telling("it", turn):
            self.policy.submit(turn)

    def prefill_fetch(self, group: int) -> None:
        """Pass it on."""
        with self._telling(f"told that a forward of prefill group {group} ended, it"):
            self.policy.prefill_fetch(group)

    def turn_ended(self, turn: TurnView) -> None:
        """Pass it on."""
        with self._telling("told that this turn ended, it", turn):
            self.policy.turn_ended(turn)

    def read_ended(self, node: NodeView) -> None:
        """Pass it on."""
        with self._telling(f"told that a read of node {node.name} ended, it"):
            self.policy.read_ended(node)

    def storage_changed(self) -> None:
        """Pass it on."""
        with self._telling("told that storage changed, it"):
            self.policy.storage_changed()

    @contextmanager
    def _telling(self, who: str, turn: TurnView | None = None) -> Iterator[None]:
        try:
            yield
        except PolicyError:
            raise
        except KeyboardInterrupt:  # it may never have come to an end
            raise KeyboardInterrupt(str(self._dispatch.error(f"{who} was interrupted", turn))) from None
        except (Exception, SystemExit) as error:
            raise self._dispatch.error(f"{who} {raised(error)}", turn) from error


@contextmanager
def _current_folder_on_path() -> Iterator[None]:
    folder = os.getcwd()  # noqa: PTH109  # Python's path is of strings
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(folder)


def _refused(system: str, why: str) -> ScenarioError:
    return ScenarioError(f"system = {system!r} is not allowed: {why}.")
