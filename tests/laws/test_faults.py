"""The list of faults keeps up with the core that it is about."""

from pathlib import Path

import pytest

from .faults import FAULTS, Fault

CORE = Path(__file__).parents[2] / "dualpath_lab" / "core"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.file}: {fault.what}")
def test_a_fault_can_be_planted(fault: Fault) -> None:
    assert (CORE / fault.file).read_text(encoding="utf-8").count(fault.right) == 1
    assert fault.right != fault.wrong


def test_there_are_enough_of_them() -> None:
    assert len({fault.what for fault in FAULTS}) == len(FAULTS) >= 25
