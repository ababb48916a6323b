"""Units of time are recognised, and what was taken is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload import Workload, read_trace

EPOCH_S = 1_760_000_000


def read(folder: Path, moments: list[str], form: str = "timestamp,input_tokens,output_tokens") -> Workload:
    path = folder / "t.csv"
    path.write_text("\n".join([form, *(f"{moment},9,1" for moment in moments)]), encoding="utf-8")
    return read_trace(path)


@pytest.mark.parametrize(
    ("moments", "form", "rate", "word"),
    [
        (["0", "2", "4"], "timestamp,input_tokens,output_tokens", 0.5, "seconds, as ServeGen"),
        (["0", "2", "4"], "Timestamp,Request tokens,Response tokens", 0.5, "seconds, as BurstGPT"),
        (["0", "2000", "4000"], "timestamp,input_length,output_length", 0.5, "milliseconds, as Mooncake"),
        (["0", "2000.0", "4000.0"], "timestamp,input_length,output_length", 0.5, "milliseconds, as Mooncake"),
        (["0", "2.5", "4"], "timestamp,input_length,output_length", 0.5, "seconds, as they are no whole numbers"),
        (["0", "2000", "4000"], "timestamp_ms,input_tokens,output_tokens", 0.5, "milliseconds, by its name"),
        (["0", "2000000", "4000000"], "timestamp_us,input_tokens,output_tokens", 0.5, "microseconds, by its name"),
        (["0", "2", "4"], "timestamp_s,input_length,output_length", 0.5, "seconds, by its name"),
        *(
            (
                [f"{(EPOCH_S + second) * scale}" for second in (0, 2, 4)],
                f"timestamp,{lengths}",
                0.5,
                f"{word}, since 1970",
            )
            for scale, word in ((1, "seconds"), (10**3, "milliseconds"), (10**6, "microseconds"), (10**9, "nanoseconds"))
            for lengths in ("input_tokens,output_tokens", "input_length,output_length")
        ),
    ],
)
def test_units_are_recognised_and_told(tmp_path: Path, moments: list[str], form: str, rate: float, word: str) -> None:
    workload = read(tmp_path, moments, form)
    expected = 2 / 4 if rate == 0.5 else rate
    assert workload.notes["arrivals_per_s"] == pytest.approx(expected)
    assert any(f"taken for {word}" in note for note in workload.told)


@pytest.mark.parametrize(
    "moments",
    [
        ["2024-05-12T00:00:00Z", "2024-05-12T02:00:04+02:00"],
        ["2024-05-12 00:00:00+00:00", "2024-05-12 00:00:04.000+00:00"],
        ["2024-05-12 00:00:00 UTC", "2024-05-12 00:00:04 UTC"],
        ["2024-05-12 00:00:00 +0000", "2024-05-11 20:00:04 -0400"],
        ["2024-05-12 00:00:00.0000000", "2024-05-12 00:00:04.0000000"],
        ["20240512T000000", "20240512T000004"],
        ["2024-03-31T00:59:58+00:00", "2024-03-31T03:00:02+02:00"],
    ],
)
def test_dates_of_any_zone_are_moments(tmp_path: Path, moments: list[str]) -> None:
    workload = read(tmp_path, moments)
    assert workload.notes["arrivals_per_s"] == pytest.approx(1 / 4)
    assert workload.told == []


def test_dates_with_and_without_a_zone_are_told(tmp_path: Path) -> None:
    workload = read(tmp_path, ["2024-05-12 00:00:00", "2024-05-12 02:00:04+02:00"])
    assert workload.notes["arrivals_per_s"] == pytest.approx(1 / 4)
    assert workload.told == ["Times without a zone in timestamp are taken for UTC."]


def test_a_trace_without_times_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("input_tokens,output_tokens\n9,1\n8,1\n", encoding="utf-8")
    workload = read_trace(path)
    assert workload.append.tolist() == [9, 8]
    assert "arrivals_per_s" not in workload.notes
    assert any("No column of times" in note for note in workload.told)


@pytest.mark.parametrize("moments", [["0", "4e9"], ["1970-01-01", "2024-01-01"]])
def test_a_unit_that_cannot_be_is_asked_for(tmp_path: Path, moments: list[str]) -> None:
    with pytest.raises(ScenarioError, match=r"ten years apart.*of which unit.*timestamp_ms"):
        read(tmp_path, moments)
