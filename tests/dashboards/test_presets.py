"""Each preset shows what its sentence says."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from dualpath_lab.dashboards.frames import Frame
from dualpath_lab.dashboards.presets import OWN, PRESETS, preset_of, settings_of
from dualpath_lab.dashboards.race import Race
from dualpath_lab.dashboards.sidebar import Sidebar
from dualpath_lab.dashboards.state import LabState

RUN_S = 300.0


@cache
def raced(name: str) -> Race:
    race = Race(*LabState(**settings_of(name)).scenarios())
    race.advance(RUN_S)
    return race


def ended(name: str) -> Frame:
    return raced(name).frame()


def mean(name: str, curve: str) -> float:
    """Over the last two thirds."""
    return float(np.nanmean(raced(name).rows(0)[curve][int(RUN_S / 3) :]))


def speedup(name: str) -> float:
    value = ended(name).speedup
    assert value is not None
    return value


def test_the_storage_wall() -> None:
    assert speedup("The storage wall") > 1.3
    assert ended("The storage wall").a.bottleneck == "prefill SNIC"
    assert mean("The storage wall", "a_decode_snic") < 0.01
    assert mean("The storage wall", "b_decode_snic") > 0.3


def test_too_few_decode_nodes() -> None:
    name = "Too few decode nodes"
    assert speedup(name) < 1.15
    for side in "ab":
        assert mean(name, f"{side}_scheduler_queue") > 64
        assert mean(name, f"{side}_prefill_queue") < 8


def test_compute_bound() -> None:
    name = "Compute bound: dual path cannot help"
    assert speedup(name) < 1.2
    assert ended(name).a.bottleneck == ended(name).b.bottleneck == "prefill compute"


def test_too_little_hit_rate() -> None:
    name = "Too little hit rate"
    frame = ended(name)
    assert speedup(name) < 1.2
    assert frame.a.bottleneck == frame.b.bottleneck == "prefill compute"
    assert frame.b.turns < 0.6 * ended("The storage wall").b.turns
    assert mean(name, "a_prefill_snic") < 0.2


def test_online_near_capacity() -> None:
    frame = ended("Online, near capacity")
    assert frame.b.ttft_p50_s < 4 < frame.a.ttft_p50_s
    assert frame.a.bottleneck == "prefill SNIC"


def test_model_traffic_crowds_out_kv() -> None:
    name = "Model traffic crowds out KV"
    frame = ended(name)
    assert "CNIC" in frame.a.bottleneck
    assert "CNIC" in frame.b.bottleneck
    assert frame.b.turns < ended("The storage wall").b.turns / 2


def test_none_is_left_unchecked() -> None:
    assert len(PRESETS) == 6


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_what_the_list_says_and_travels_in_the_link(name: str) -> None:
    state = LabState()
    choice = next(part for part in Sidebar(state).root if getattr(part, "label", "") == "Preset")
    choice.value = name
    assert preset_of(state) == name
    received = LabState()
    assert received.take_query(state.to_query()) == []
    assert preset_of(received) == name
    assert PRESETS[name].sentence.endswith(".")


def test_settings_of_ones_own_are_no_presets() -> None:
    state = LabState()
    choice = next(part for part in Sidebar(state).root if getattr(part, "label", "") == "Preset")
    state.prefill_nodes = 7
    assert preset_of(state) == choice.value == OWN
    choice.value = "Too little hit rate"
    assert (state.prefill_nodes, state.hit_rate) == (1, 0.2)
    choice.value = OWN
    assert choice.value == "Too little hit rate", "what is set is what is shown"
    state.speed = 5
    assert choice.value == "Too little hit rate", "the speed is no part of it"
