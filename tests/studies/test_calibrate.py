"""Known rates come back from the times that they make, and what can't be told is said."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from dualpath_lab.cli import main
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.hardware import load_hardware
from dualpath_lab.models import load_model
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.studies.calibrate import COLUMNS, RATES, Measurement, fit, read_measurements

TRUE = {
    "attention_tflops": 210.0,
    "linear_tflops": 520.0,
    "hbm_gbytes_per_s": 3100.0,
    "layer_overhead_s": 2.5e-4,
    "storage_efficiency": 0.83,
}


def measured(scenario: Scenario, noise: float = 0.0, repeats: int = 1) -> list[Measurement]:
    """Times of an idle engine, put together from the module's description, each off by some noise."""
    model = load_model(scenario.model)
    rng = np.random.default_rng(0)
    prefill, decode = (16, 32) if model.expert_parallel else (1, 1)
    overhead = model.layers * TRUE["layer_overhead_s"] if model.expert_parallel else 0.0
    found = []
    for prompt, share, batch, _ in product((500, 2_000, 8_000, 32_000, 100_000), (0.0, 0.5, 0.95), (1, 8, 64), range(repeats)):
        cached = int(prompt * share)
        attention_s = model.attention_flops(cached, prompt - cached) / TRUE["attention_tflops"] / 1e12
        linear_s = model.linear_flops(prompt - cached) / prefill / TRUE["linear_tflops"] / 1e12
        read_s = cached * model.kv_bytes_per_token / (50e9 * TRUE["storage_efficiency"])
        ttft = overhead + batch * (attention_s + linear_s + read_s)
        read_bytes = model.weight_bytes / decode + batch * model.decode_read_bytes(prompt)
        tpot = overhead + read_bytes / TRUE["hbm_gbytes_per_s"] / 1e9 + batch * model.linear_flops(1) / TRUE["linear_tflops"] / 1e12
        off = 1 + noise * rng.standard_normal(2)
        found.append(Measurement(0, prompt, cached, batch, float(ttft * off[0]), float(tpot * off[1])))
    return found


@pytest.mark.parametrize("model", ["ds-660b", "ds-27b", "qwen-32b"])
@pytest.mark.parametrize(("noise", "within"), [(0.0, 0.03), (0.05, 0.10)])
def test_known_rates_come_back(model: str, noise: float, within: float) -> None:
    """Mutants: GPUs of a group forgotten; the fit of absolute errors; TTFT and TPOT swapped."""
    scenario = Scenario(model=model)
    found = fit(scenario, measured(scenario, noise, repeats=10), "mine")
    wanted = [rate for rate in RATES if rate != "layer_overhead_s" or load_model(model).expert_parallel]
    assert list(found.fitted) == wanted
    for rate in wanted:
        assert getattr(found.hardware, rate) == pytest.approx(TRUE[rate], rel=within), rate
        assert abs(getattr(found.hardware, rate) / TRUE[rate] - 1) <= 4 * found.fitted[rate] + 1e-9, rate
    assert found.mean_error <= max(noise, 1e-9)


def test_what_was_not_measured_stays_as_it_was() -> None:
    """Without cached tokens nothing is known of storage; without TPOT nothing of HBM."""
    scenario = Scenario(model="qwen-32b")
    some = [Measurement(0, each.prompt, 0, each.batch, each.ttft_s, None) for each in measured(scenario) if not each.cached]
    found = fit(scenario, some, "mine")
    assert list(found.fitted) == ["attention_tflops", "linear_tflops"]
    assert found.hardware.hbm_gbytes_per_s == load_hardware("h200").hbm_gbytes_per_s
    assert found.hardware.storage_efficiency == 1.0


def test_measurements_that_are_all_alike_are_refused() -> None:
    scenario = Scenario(model="qwen-32b")
    with pytest.raises(ScenarioError, match="can't tell attention_tflops, linear_tflops"):
        fit(scenario, [Measurement(0, 1000, 500, 1, 1.0, 0.02)] * 10, "mine")


def test_times_that_shrink_with_the_work_are_refused() -> None:
    scenario = Scenario(model="qwen-32b")
    shrinking = [Measurement(0, prompt, 0, 1, 1e4 / prompt, None) for prompt in (1000, 5000, 20000, 60000)]
    with pytest.raises(ScenarioError, match="above 0 fits the measurements"):
        fit(scenario, shrinking, "mine")


def test_the_file_goes_back_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = Scenario(model="ds-27b")
    table, out = tmp_path / "measured.csv", tmp_path / "mine.yaml"
    rows = [f"{each.prompt},{each.cached},{each.batch},{each.ttft_s},{each.tpot_s}" for each in measured(scenario)]
    table.write_text("\n".join([",".join(COLUMNS), *rows]))
    assert main(["calibrate", str(table), "--set=model=ds-27b", f"--out={out}"]) == 0
    assert "mean error 0.0%" in capsys.readouterr().out
    simulation = Simulation(scenario.with_values({"cluster.hardware": str(out), "workload.agents": 1}))
    assert simulation.cluster.prefill_nodes[0].snic_rx.capacity == pytest.approx(50e9 * TRUE["storage_efficiency"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["measured.csv", "mine.yaml"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "columns are missing"),
        ("prompt,cached\n1,0\n", "they should be prompt"),
        (",".join(COLUMNS) + "\n", "holds 0 measurements"),
        (",".join(COLUMNS) + "\n-5,0,1,1,1\n", "line 2: prompt = '-5'"),
        (",".join(COLUMNS) + "\n5,5,1,1,1\n", "line 2: cached = '5'"),
        (",".join(COLUMNS) + "\n5,0,0,1,1\n", "line 2: batch = '0'"),
        (",".join(COLUMNS) + "\n5,0,1,nan,1\n", "line 2: ttft_s = 'nan'"),
        (",".join(COLUMNS) + "\n5,0,1,,0\n", "line 2: tpot_s = '0'"),
        (",".join(COLUMNS) + "\n5,0,1,,\n", "both empty"),
        (",".join(COLUMNS) + "\n5,0,1\n", "5 columns"),
        ("\x00\xff", "columns are"),
    ],
)
def test_a_bad_file_is_one_sentence_and_writes_nothing(text: str, named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, out = tmp_path / "measured.csv", tmp_path / "mine.yaml"
    table.write_text(text)
    assert main(["calibrate", str(table), f"--out={out}"]) == 2
    told = capsys.readouterr().err
    assert named in told
    assert told.count("\n") == 1
    assert not out.exists()
    with pytest.raises(ScenarioError):
        read_measurements(tmp_path / "missing.csv")
