"""Anything at all comes in: it is taken, or answered with one sentence. ``--hypothesis-profile=long`` tries 100,000 and more.

The law: nothing but :class:`ScenarioError` is ever raised, and what it says is one line.
"""

from __future__ import annotations

import gzip
import json
import lzma
import math
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from dualpath_lab.dashboards.advisor_state import AdvisorState
from dualpath_lab.dashboards.anatomy_state import AnatomyState
from dualpath_lab.dashboards.explore_state import ExploreState
from dualpath_lab.dashboards.lane_state import LaneState
from dualpath_lab.dashboards.linked import LinkedState
from dualpath_lab.dashboards.paper import PaperState
from dualpath_lab.dashboards.state import LabState
from dualpath_lab.errors import LONGEST_SENTENCE
from dualpath_lab.lane_scenario import LaneScenario
from dualpath_lab.models import load_model
from dualpath_lab.scenario import Scenario, ScenarioError, load_scenario
from dualpath_lab.studies.sweep import make_plan
from dualpath_lab.workload import read_trace

from .conftest import tried

STATES: tuple[type[LinkedState], ...] = (LabState, ExploreState, AnatomyState, AdvisorState, LaneState, PaperState)


LONG = 60
"""How many times as much the long profile tries."""


def fuzzed(inputs: int) -> settings:
    """So many inputs in the usual profile."""
    more = LONG if settings.default.max_examples > 100 else 1
    return settings(max_examples=inputs * more, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)


def taken_or_told(take: Callable[[], object]) -> None:
    """The law."""
    tried()
    try:
        take()
    except ScenarioError as error:
        sentence = str(error)
        assert sentence
        assert "\n" not in sentence
        assert len(sentence) <= LONGEST_SENTENCE


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-2, 9),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["dualpath", "ds-27b", "paper-32k", "fifo", "nan", "-1", "1e999", "0x10", "a:b", "\x00", "..", "h200", "true"]),
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4), max_leaves=8
)


def near(keys: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Mappings of keys that are right, or nearly, to anything."""
    parts = sorted({part for key in keys for part in key.split(".")})
    key = st.sampled_from(parts) | st.sampled_from(keys) | st.text(max_size=12)
    return st.dictionaries(key, anything | st.dictionaries(key, anything, max_size=4), max_size=6)


FRAGMENTS = [b"\n", b",", b'"', b"{", b"]", b"-1", b"nan", b"\xff", b"9" * 30, b"\x00"]
TAGS = ["bool", "int", "float", "null", "str", "timestamp", "binary", "set", "omap", "pairs", "map", "seq", "python/name:os.system"]
YAML_FRAGMENTS = [
    b"&a ",
    b"*a",
    b"<<: *a",
    b"? ",
    b": ",
    b"1:2:3.5",
    b"0x1f",
    b"0b2",
    b"1_0",
    b"2001-02-30",
    b"---\n",
    b"%YAML 9\n",
    b"!x ",
]
YAML_FRAGMENTS += [f"!!{tag} ".encode() for tag in TAGS]


def damage(data: st.DataObject, content: bytes) -> bytes:
    """Some bytes changed, cut, doubled or put in."""
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(content)))
        size = data.draw(st.integers(0, 40))
        new = data.draw(st.binary(max_size=12) | st.sampled_from(FRAGMENTS) | st.sampled_from(YAML_FRAGMENTS))
        change = data.draw(st.sampled_from(["put", "cut", "double", "end"]))
        if change == "put":
            content = content[:at] + new + content[at + len(new) * data.draw(st.integers(0, 1)) :]
        elif change == "cut":
            content = content[:at] + content[at + size :]
        elif change == "double":
            content = content[: at + size] + content[at:]
        else:
            content = content[:at]
    return content


def in_file(name: str, content: bytes, take: Callable[[Path], object]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        taken_or_told(lambda: take(path))


KEYS, LANE_KEYS = list(map(str, Scenario.keys())), list(map(str, LaneScenario.keys()))
"""As plain text, which YAML can write."""


@fuzzed(300)
@given(values=near(KEYS))
def test_scenarios(values: dict[str, Any]) -> None:
    taken_or_told(lambda: Scenario(**values))
    taken_or_told(lambda: Scenario().with_values(values))


@fuzzed(200)
@given(values=near(LANE_KEYS))
def test_lane_scenarios(values: dict[str, Any]) -> None:
    taken_or_told(lambda: LaneScenario(**values))


@fuzzed(200)
@given(data=st.data(), values=near(KEYS))
def test_scenario_files(data: st.DataObject, values: dict[str, Any]) -> None:
    in_file("s.yaml", damage(data, yaml.safe_dump(values, allow_unicode=True).encode(errors="surrogatepass")), load_scenario)


@fuzzed(150)
@given(
    texts=st.lists(
        st.tuples(st.sampled_from([*KEYS, "x", ""]), st.text(max_size=15) | st.sampled_from(YAML_FRAGMENTS).map(bytes.decode)),
        max_size=3,
    ),
    separator=st.sampled_from(["=", ":", "==", ""]),
)
def test_assignments(texts: list[tuple[str, str]], separator: str) -> None:
    taken_or_told(lambda: load_scenario(None, [f"{key}{separator}{text}" for key, text in texts]))


@fuzzed(300)
@given(data=st.data(), kind=st.sampled_from(STATES))
def test_links(data: st.DataObject, kind: type[LinkedState]) -> None:
    """A link is never refused: what is wrong in it is told, and the rest taken."""
    key = st.sampled_from([*kind.KEYS.values(), "v", "theme", "tour", "page"]) | st.text(max_size=10)
    pairs = data.draw(st.lists(st.tuples(key, st.text(max_size=15) | scalars.map(str)), max_size=5))
    query = "?" + urlencode(pairs, errors="replace")
    if data.draw(st.booleans()):
        query = damage(data, query.encode()).decode(errors="replace")
    tried()
    problems = kind().take_query(query)
    assert all(problem and "\n" not in problem for problem in problems)
    state = kind()
    state.take_query(query)
    again = kind()
    assert again.take_query(state.to_query()) == []
    assert again.to_query() == state.to_query()


def _tables() -> dict[str, bytes]:
    plain = "session,turn,appended,generated,gap_s\na,0,100,10,\na,1,20,5,3\nb,0,64,1,0\n"
    claude = "session,turn,input_tokens,output_tokens,hit_tokens_incl_output,gap_before_s\ns0,0,100,5,0,\ns0,1,120,5,64,3\n"
    raw = {
        "requests": [
            {"type": "n", "in": 64, "out": 1, "hash_ids": [1]},
            {"type": "n", "in": 128, "out": 2, "hash_ids": [1, 2], "think_time": 1.5},
        ]
    }
    swe = {"messages": [{"role": "assistant", "extra": {"response": {"usage": {"prompt_tokens": 10, "completion_tokens": 3}}}}]}
    mooncake = "\n".join(json.dumps({"timestamp": t, "input_length": 600, "output_length": 3, "hash_ids": [1, t + 2]}) for t in range(3))
    azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.979960,100,5\n2023-11-16 18:17:04.031960,200,6\n"
    burst = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    burst += "5,s,1,ChatGPT,472,18,490,Conversation log\n9,s,1,ChatGPT,600,18,618,Conversation log\n9,,1,ChatGPT,6,0,6,API log\n"
    aiperf = '{"session_id": "s", "timestamp": 0, "input_length": 600, "output_length": 9, "hash_ids": [1, 2]}\n'
    aiperf += '{"session_id": "s", "delay": 2000, "input_length": 90, "output_length": 9, "hash_ids": [3], "status": "ok"}\n'
    bailian = '{"chat_id": 1, "parent_chat_id": -1, "timestamp": 1.5, "input_length": 40, "output_length": 9, "hash_ids": [1, 2, 3]}\n'
    bailian += '{"chat_id": 2, "parent_chat_id": 1, "timestamp": 9, "input_length": 70, "output_length": 9, "hash_ids": [1, 2, 4, 5, 6]}\n'
    single = '{"timestamp": 1, "input_tokens": 10, "output_tokens": 3}\n{"timestamp": 2, "input_tokens": 10, "output_tokens": 3}\n'
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table({"session": ["a", "a"], "turn": [0, 1], "appended": [9, 1], "generated": [1, 1]}), sink)
    texts = {"plain.csv": plain, "claude.csv": claude, "raw.json": json.dumps(raw), "swe.json": json.dumps(swe), "mooncake.jsonl": mooncake}
    texts |= {"azure.csv": azure, "burst.csv": burst, "single.jsonl": single, "aiperf.jsonl": aiperf, "bailian.jsonl": bailian}
    return {name: text.encode() for name, text in texts.items()} | {"plain.parquet": sink.getvalue().to_pybytes()}


def _zstd(content: bytes) -> bytes:
    packed: bytes = pa.Codec("zstd").compress(content, asbytes=True)
    return packed


TABLES = _tables()


@pytest.mark.parametrize("name", [name for name in TABLES if name not in ("swe.json",)])
def test_the_traces_below_are_right(name: str, tmp_path: Path) -> None:
    """Else the fuzzer never gets beyond the header."""
    (tmp_path / name).write_bytes(TABLES[name])
    assert read_trace(tmp_path / name).turns > 0


@fuzzed(500)
@given(data=st.data(), name=st.sampled_from(sorted(TABLES)), packed=st.sampled_from(["", "", ".gz", ".xz", ".zst"]), before=st.booleans())
def test_traces(data: st.DataObject, name: str, packed: str, before: bool) -> None:
    """Damaged before they are packed, or after."""
    pack: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress, ".zst": _zstd}
    content = pack[packed](damage(data, TABLES[name])) if before else damage(data, pack[packed](TABLES[name]))
    in_file(name + packed, content, read_trace)


COLUMNS = (
    *("session", "turn", "appended", "generated", "gap_s", "context", "input_tokens", "output_tokens", "hit_tokens_incl_output"),
    *("gap_before_s", "timestamp", "TIMESTAMP", "timestamp_ms", "ContextTokens", "GeneratedTokens", "Request tokens", "Response tokens"),
    *("Session ID", "Elapsed time", "input_length", "output_length", "hash_ids", "block_size", "session_id", "delay", "chat_id"),
    *("parent_chat_id", "status", "error", "colour", ""),
)
LENGTHS = (["input_length", "output_length"], ["Request tokens", "Response tokens"], ["input_tokens", "output_tokens"], [])
cells = (
    st.integers(0, 2000)
    | st.sampled_from([None, "", "a", "b", -1, 0, 1, 1.0, 2.5, math.nan, math.inf, 1e300, 2**70, "2024-05-12T00:00:00+02:00", "1e9", "7"])
    | st.lists(st.integers(0, 9), max_size=4)
)


@fuzzed(300)
@given(data=st.data(), lengths=st.sampled_from(LENGTHS), others=st.lists(st.sampled_from(COLUMNS), max_size=6, unique=True))
def test_columns_of_traces(data: st.DataObject, lengths: list[str], others: list[str]) -> None:
    """Any columns, mostly with what may stand there; what is taken makes sense."""
    columns = list(dict.fromkeys([*lengths, *others]))
    count = data.draw(st.integers(1, 6))
    rows = [[data.draw(cells if name not in lengths else st.integers(0, 2000)) for name in columns] for _ in range(count)]
    objects = [{name: value for name, value in zip(columns, row, strict=True) if value is not None} for row in rows]
    texts = [";".join("" if value is None else str(value) for value in row) for row in [columns, *rows]]
    for name, text in (("t.csv", "\n".join(texts)), ("t.jsonl", "\n".join(map(json.dumps, objects)))):
        in_file(name, text.encode(), _sound)


def _sound(path: Path) -> None:
    workload = read_trace(path)
    first = workload.first_turn
    assert first[0] == 0
    assert first[-1] == workload.turns
    assert (first[1:] > first[:-1]).all()
    assert (workload.context >= 0).all()
    assert (workload.append >= 0).all()
    assert (workload.context + workload.append > 0).all()
    assert (workload.gap_s >= 0).all()
    assert not workload.gap_s[first[:-1]].any()
    assert workload.max_tokens == (workload.context + workload.append + workload.generate).max()


LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 100,
    "torch_dtype": "bfloat16",
}
LATENT = LLAMA | {"model_type": "deepseek_v3", "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8}
LATENT |= {"n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "first_k_dense_replace": 1, "n_shared_experts": 1}
FIELDS = [
    *LATENT,
    "sliding_window",
    "layer_types",
    "index_topk",
    "head_dim",
    "quantization_config",
    "text_config",
    "llm_config",
    "architectures",
    "mlp_layer_types",
    "kv_cache_dtype",
    "rope_scaling",
    "num_experts",
]


@fuzzed(300)
@given(
    data=st.data(),
    base=st.sampled_from([LLAMA, LATENT, {}]),
    changes=st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), anything, max_size=3),
)
def test_model_configs(data: st.DataObject, base: dict[str, Any], changes: dict[str, Any]) -> None:
    content = damage(data, json.dumps(base | changes).encode())
    in_file("config.json", content, lambda path: load_model(str(path)))


@fuzzed(150)
@given(
    data=st.data(),
    values=st.fixed_dictionaries(
        {},
        optional={
            "base": near(KEYS),
            "grid": st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), st.lists(scalars, max_size=3) | anything, max_size=3),
            "list": st.lists(near(KEYS) | scalars, max_size=3) | anything,
            "else": anything,
        },
    ),
)
def test_sweep_files(data: st.DataObject, values: dict[str, Any]) -> None:
    in_file("sweep.yaml", damage(data, yaml.safe_dump(values, allow_unicode=True).encode(errors="surrogatepass")), make_plan)
