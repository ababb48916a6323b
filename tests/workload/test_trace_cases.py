"""Traces from people's real work, as they stand in ``shared/cases``, and what is right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload import load, statistics


@pytest.mark.parametrize(
    ("file", "first_turn", "prompts", "contexts", "gaps"),
    [
        ("mooncake_common_block.jsonl", [0, 1, 2], [915, 12_846], [0, 512], [0, 0]),
        ("mooncake_no_hash_ms.jsonl", [0, 1, 2, 3, 4], [1000] * 4, [0] * 4, [0] * 4),
        ("mooncake_with_hash_ms.jsonl", [0, 1, 2, 3, 4], [1000] * 4, [0] * 4, [0] * 4),
        (
            "aiperf_session_delta_timestamps.jsonl",
            [0, 3, 5],
            [42_277, 44_467, 47_657, 42_964, 47_191],
            [0, 42_612, 45_812, 32_256, 43_547],
            [0] * 5,
        ),
        ("aiperf_session_delay_hash.jsonl", [0, 3], [600, 1100, 1600], [0, 512, 1024], [0, 2, 4]),
        ("burstgpt_v2_sessions.csv", [0, 3, 4, 5], [100, 200, 330, 300, 400], [0, 110, 220, 0, 0], [0, 9, 9, 0, 0]),
        ("mini_v2_format_error.traj.json", [0, 3], [3000, 3300, 3400], [0, 3100, 3300], [0] * 3),
        ("azure_2024.parquet", [0, 1, 2, 3], [1452, 833, 1000], [0] * 3, [0] * 3),
        ("csv_trailing_blank.csv", [0, 1, 2], [374, 396], [0, 0], [0, 0]),
        ("bailian_blksz16.jsonl", [0, 2], [521, 700], [0, 640], [0, 0]),
        ("right/mooncake_full_hit.jsonl", [0, 1, 2], [1024, 1024], [0, 1024], [0, 0]),
        ("right/azure_2024_tz.csv", [0, 1, 2, 3], [1452, 833, 1000], [0] * 3, [0] * 3),
        ("right/bom_crlf.csv", [0, 2], [9000, 9500], [0, 9200], [0, 4]),
        ("right/zero_gen.csv", [0, 2], [9000, 9300], [0, 9000], [0, 4]),
        (
            "right/edge63.csv",
            list(range(0, 15, 2)),
            [n for first in (62, 63, 64, 65, 126, 127, 128) for n in (first, first + 11)],
            [n for first in (62, 63, 64, 65, 126, 127, 128) for n in (0, first + 1)],
            [0] * 14,
        ),
    ],
)
def test_what_is_read_is_right(
    shared_cases: Path, file: str, first_turn: list[int], prompts: list[int], contexts: list[int], gaps: list[float]
) -> None:
    workload = load(str(shared_cases / file))
    assert workload.first_turn.tolist() == first_turn
    assert (workload.context + workload.append).tolist() == prompts
    assert workload.context.tolist() == contexts
    np.testing.assert_allclose(workload.gap_s, gaps)


@pytest.mark.parametrize(
    ("file", "figure", "value"),
    [
        ("mooncake_no_hash_ms.jsonl", "arrivals_per_s", 1.0),
        ("mooncake_with_hash_ms.jsonl", "arrivals_per_s", 1.0),
        ("aiperf_session_delta_timestamps.jsonl", "hit_rate", 0.731),
        ("burstgpt_v2_sessions.csv", "failed_left_out", 1),
        ("right/kvt_trace_0026.json", "loaded_tokens_per_session", 37_376),
    ],
)
def test_what_is_told_is_right(shared_cases: Path, file: str, figure: str, value: float) -> None:
    assert statistics(load(str(shared_cases / file)))[figure] == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("mooncake_no_hash_ms.jsonl", ["timestamp", "milliseconds", "as Mooncake"]),
        ("mooncake_with_hash_ms.jsonl", ["milliseconds", "512 tokens"]),
        ("aiperf_session_delta_timestamps.jsonl", ["session_id", "what is new", "Pauses between turns are not known"]),
        ("aiperf_session_delay_hash.jsonl", ["delay", "milliseconds", "taken for whole"]),
        ("burstgpt_v2_sessions.csv", ["Model, Total tokens, Log Type", "1 request without an output", "seconds", "Elapsed time"]),
        ("bailian_blksz16.jsonl", ["16 tokens", "seconds", "type, turn"]),
    ],
)
def test_what_was_assumed_is_told(shared_cases: Path, file: str, words: list[str]) -> None:
    told = " ".join(load(str(shared_cases / file)).told)
    for word in words:
        assert word in told


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("recorded_no_gap.csv", ["lacks a column", "gap_before_s"]),
        ("vllm_multiturn.json", ["messages in words, without token counts", "would be usable"]),
        ("servegen_chunk_no_header.csv", ["no line of column names", "ServeGen"]),
    ],
)
def test_what_cannot_be_used_is_told_by_what_it_is(shared_cases: Path, file: str, words: list[str]) -> None:
    with pytest.raises(ScenarioError) as error:
        load(str(shared_cases / file))
    for word in words:
        assert word in str(error.value)
