"""Known rates come back from the times that they make, and what can't be told is said."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import yaml

from dualpath_lab.cli import main
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.hardware import load_hardware
from dualpath_lab.models import load_model
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.studies.calibrate import _PEAKS, COLUMNS, RATES, Measurement, fit, read_measurements

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
        read_bytes = model.weight_bytes_per_gpu(decode) + batch * model.decode_read_bytes(prompt)
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
    assert found.hardware.storage_efficiency == load_hardware("h200").storage_efficiency


def test_measurements_that_are_all_alike_are_refused() -> None:
    scenario = Scenario(model="qwen-32b")
    with pytest.raises(ScenarioError, match="can't tell attention_tflops, linear_tflops"):
        fit(scenario, [Measurement(0, 1000, 500, 1, 1.0, 0.02)] * 10, "mine")


def test_times_that_shrink_with_the_work_are_refused() -> None:
    scenario = Scenario(model="qwen-32b")
    shrinking = [Measurement(0, prompt, 0, 1, 1e4 / prompt, None) for prompt in (1000, 5000, 20000, 60000)]
    with pytest.raises(ScenarioError, match="above 0 fits the measurements"):
        fit(scenario, shrinking, "mine")


def scaled(measurements: list[Measurement], factor: float) -> list[Measurement]:
    return [
        replace(each, ttft_s=each.ttft_s and each.ttft_s * factor, tpot_s=each.tpot_s and each.tpot_s * factor) for each in measurements
    ]


@pytest.mark.parametrize("model", ["qwen-32b", "ds-27b"])
@pytest.mark.parametrize("hardware", ["h200", "h20", "mine.yaml"])
def test_milliseconds_are_asked_about(model: str, hardware: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: a thousand times slower than the data sheet without a word."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(yaml.safe_dump(load_hardware("h100").model_dump()))
    scenario = Scenario(model=model, cluster={"hardware": hardware})
    with pytest.raises(ScenarioError, match=r"linear_tflops = 0\.52, 1/.*are ttft_s and tpot_s in s"):
        fit(scenario, scaled(measured(scenario), 1000), "mine")


@pytest.mark.parametrize(
    ("model", "hardware", "faster", "named"),
    [
        ("qwen-32b", "h200", 1.85, None),
        ("qwen-32b", "h200", 2.1, "linear_tflops = 1,092, and the data sheet of h200 allows 989.4"),
        ("ds-27b", "h200", 2.1, "hbm_gbytes_per_s = 6,510, and the data sheet of h200 allows 4,800"),
        ("qwen-32b", "a100", 1.0, "linear_tflops = 520, and the data sheet of a100 allows 312"),
        ("qwen-32b", "b200", 2.1, None),
        ("qwen-32b", "mine.yaml", 2.1, None),
        ("qwen-32b", "mine.yaml", 5.0, "linear_tflops = 2,600, and the data sheet of any GPU known here allows 2,250"),
    ],
)
def test_no_gpu_is_faster_than_its_data_sheet(
    model: str, hardware: str, faster: float, named: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutants: weights in FP8 held against BF16's peak; a file's GPU against none."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(yaml.safe_dump(load_hardware("h100").model_dump()))
    monkeypatch.setitem(TRUE, "storage_efficiency", 0.83 / faster)
    if named is None or "linear" in named:
        monkeypatch.setitem(TRUE, "hbm_gbytes_per_s", min(3100.0, 3100.0 / faster))
    scenario = Scenario(model=model, cluster={"hardware": hardware})
    times = scaled(measured(scenario), 1 / faster)
    if named is None:
        assert fit(scenario, times, "mine").hardware.linear_tflops == pytest.approx(520 * faster)
        return
    with pytest.raises(ScenarioError) as caught:
        fit(scenario, times, "mine")
    assert named in str(caught.value)


def test_one_rate_far_below_is_a_question_beside_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRUE, "attention_tflops", 2.0)
    scenario = Scenario(model="qwen-32b")
    (note,) = fit(scenario, measured(scenario), "mine").notes
    assert "attention_tflops = 2, 1/495 of the 989.4 of h200" in note


def test_the_data_sheets_are_those_that_the_gpus_are_made_from() -> None:
    """And every GPU stays below its own; the linear layers' rate is that of FP8, whose peak is twice BF16's."""
    for name, (tflops, gbytes_per_s) in _PEAKS.items():
        gpu = load_hardware(name)
        assert f"{tflops:g} dense BF16 TFLOPS, {gbytes_per_s:g} GB/s" in gpu.source
        assert gpu.attention_tflops < tflops > gpu.linear_tflops / 2
        assert gpu.hbm_gbytes_per_s <= gbytes_per_s


@pytest.mark.parametrize("model", ["ds-660b", "qwen-32b"])
def test_a_table_in_milliseconds_from_peoples_work(
    model: str, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And in seconds the same gives 1,721 TFLOP/s, or for another model than it was measured with a memory that no GPU has."""
    table = shared_data.parent / "cases" / "calibrate_ms.csv"
    if not table.is_file():
        pytest.skip("inputs from people's real work are not there")
    out, in_seconds = tmp_path / "mine.yaml", tmp_path / "s.csv"
    assert main(["calibrate", str(table), f"--out={out}", f"--set=model={model}"]) == 2
    assert "as times in ms would" in capsys.readouterr().err
    assert not out.exists()
    rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
    lines = [",".join([*row[:3], str(float(row[3]) / 1e3), str(float(row[4]) / 1e3)]) for row in rows]
    in_seconds.write_text("\n".join([",".join(COLUMNS), *lines]))
    assert main(["calibrate", str(in_seconds), f"--out={out}", f"--set=model={model}"]) == 2
    told = capsys.readouterr()
    if model == "qwen-32b":
        assert "attention_tflops = 1,721, and the data sheet of h200 allows 989.4" in told.err
    else:
        assert "hbm_gbytes_per_s = 10,186, and the data sheet of h200 allows 4,800" in told.err
    assert not out.exists()


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
