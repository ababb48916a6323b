"""Models against published figures, against sums written out position by position, and against bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dualpath_lab.models import PRESETS, Model, load_model
from dualpath_lab.scenario import ScenarioError

MODELS = {name: load_model(name) for name in PRESETS}
any_model = st.sampled_from(list(MODELS.values()))

CONFIGS = {
    "ds-660b": "deepseek-ai--DeepSeek-V3.2.json",
    "ds-v3": "deepseek-ai--DeepSeek-V3.json",
    "glm-5": "zai-org--GLM-5.json",
    "qwen-32b": "Qwen--Qwen2.5-32B.json",
    "llama-70b": "meta-llama--Meta-Llama-3.1-70B.json",
}

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "num_hidden_layers": 3,
    "hidden_size": 64,
    "vocab_size": 100,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "torch_dtype": "bfloat16",
}
LATENT: dict[str, Any] = {
    "model_type": "deepseek_v32",
    "num_hidden_layers": 3,
    "hidden_size": 10,
    "vocab_size": 100,
    "num_attention_heads": 2,
    "q_lora_rank": 6,
    "kv_lora_rank": 8,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 3,
    "v_head_dim": 5,
    "n_routed_experts": 7,
    "num_experts_per_tok": 2,
    "n_shared_experts": 1,
    "moe_intermediate_size": 11,
    "first_k_dense_replace": 1,
    "intermediate_size": 13,
    "index_n_heads": 3,
    "index_head_dim": 2,
    "index_topk": 5,
    "quantization_config": {"quant_method": "fp8"},
}


@pytest.fixture
def config(tmp_path: Path) -> Any:
    """Write a base config with changes, ``...`` standing for a field removed, and give its path."""

    def write(base: dict[str, Any], **changes: Any) -> str:
        fields = {key: value for key, value in {**base, **changes}.items() if value is not ...}
        path = tmp_path / "tiny.json"
        path.write_text(json.dumps(fields))
        return str(path)

    return write


def sentence(name_or_path: str, kv_dtype: str | None = None) -> str:
    with pytest.raises(ScenarioError) as caught:
        load_model(name_or_path, kv_dtype)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "kv_dtype", "expected"),
    [
        ("ds-660b", "bf16", 85_888),
        ("ds-660b", None, 61 * 704),
        ("ds-v3", "bf16", 70_272),
        ("ds-v3", None, 35_136),
        ("glm-5", "bf16", 109_824),
        ("glm-5", None, 54_912),
        ("qwen-32b", None, 262_144),
        ("qwen-32b", "fp8", 131_072),
        ("llama-70b", None, 327_680),
        ("llama-70b", "fp8", 163_840),
        ("ds-27b", None, 30 * (512 + 64 + 64)),
    ],
)
def test_kv_bytes_per_token_are_the_published_ones(name: str, kv_dtype: str | None, expected: int) -> None:
    assert load_model(name, kv_dtype).kv_bytes_per_token == expected


@pytest.mark.parametrize(
    ("name", "total", "active"),
    [("ds-660b", 671.9, 37.5), ("ds-v3", 671.0, 36.6), ("glm-5", 743.9, 40.8), ("qwen-32b", 32.8, 32.0), ("llama-70b", 70.6, 69.5)],
)
def test_parameters_are_the_published_ones(name: str, total: float, active: float) -> None:
    model = MODELS[name]
    assert model.total_parameters / 1e9 == pytest.approx(total, abs=0.05)
    assert model.active_parameters / 1e9 == pytest.approx(active, abs=0.05)


def test_internal_model_has_the_parameters_of_its_name() -> None:
    assert MODELS["ds-27b"].total_parameters / 1e9 == pytest.approx(27, rel=0.01)


@pytest.mark.parametrize(
    ("name", "experts", "weight_bytes_each", "buffer"),
    [("ds-660b", True, 1, 80e9), ("ds-27b", True, 1, 80e9), ("glm-5", True, 1, 80e9), ("qwen-32b", False, 2, 320e9)],
)
def test_serving_follows_from_the_kind_of_model(name: str, experts: bool, weight_bytes_each: int, buffer: float) -> None:
    model = MODELS[name]
    assert model.expert_parallel is experts
    in_tables = model.weight_bytes - weight_bytes_each * model.total_parameters
    assert 0 <= in_tables <= 0.05 * model.weight_bytes
    assert (in_tables > 0) == (weight_bytes_each == 1)
    assert model.routed_weight_bytes <= weight_bytes_each * (model.total_parameters - model.active_parameters) * 1.1
    assert (model.routed_weight_bytes > 0) == experts
    assert model.buffer_bytes_per_node == buffer


@pytest.mark.parametrize(("preset", "file"), CONFIGS.items())
def test_presets_agree_with_the_published_configs(preset: str, file: str, shared_data: Path) -> None:
    model, published = load_model(preset, "fp8"), load_model(str(shared_data / "model_configs" / file), "fp8")
    served_differently = {"name", "weight_bytes", "routed_weight_bytes", "notes"}
    for field in set(Model.__dataclass_fields__) - served_differently:
        assert getattr(model, field) == getattr(published, field), field


def test_config_of_a_third_dense_model_loads(shared_data: Path) -> None:
    model = load_model(str(shared_data / "model_configs" / "Qwen--Qwen3-32B.json"))
    assert model.kv_bytes_per_token == 262_144
    assert model.total_parameters / 1e9 == pytest.approx(32.8, abs=0.05)


def test_parameters_of_a_tiny_latent_model_counted_by_hand(config: Any) -> None:
    query = 10 * 6 + 6 * 2 * (3 + 4)
    key_value = 10 * (8 + 4) + 8 * 2 * (3 + 5)
    output = 2 * 5 * 10
    indexer = 6 * 3 * 2 + 10 * 2 + 10 * 3
    expert, router, dense, table = 3 * 10 * 11, 10 * 7, 3 * 10 * 13, 100 * 10
    attention = 3 * (query + key_value + output + indexer)
    model = load_model(config(LATENT))
    assert model.active_parameters == attention + dense + 2 * (router + 3 * expert) + table
    assert model.total_parameters == attention + dense + 2 * (router + 8 * expert) + 2 * table
    assert model.kv_bytes_per_token == 2 * 3 * (8 + 4 + 2)
    in_two_bytes = 2 * router + 2 * table
    assert model.weight_bytes == model.total_parameters + in_two_bytes


def test_query_projection_without_a_rank_is_full(config: Any) -> None:
    base = {key: value for key, value in LATENT.items() if not key.startswith("index_")} | {"model_type": "deepseek_v3"}
    low_rank, full = load_model(config(base)), load_model(config(base, q_lora_rank=None))
    assert full.active_parameters - low_rank.active_parameters == 3 * (10 * 14 - 6 * (10 + 14))


def test_tied_head_is_stored_once_and_still_computed(config: Any) -> None:
    own, tied = load_model(config(LLAMA)), load_model(config(LLAMA, tie_word_embeddings=True))
    assert own.active_parameters == tied.active_parameters
    assert own.total_parameters - tied.total_parameters == 100 * 64


@pytest.mark.parametrize(
    ("changes", "kv_dtype", "kv_bytes", "weight_bytes"),
    [
        ({}, None, 2, 2),
        ({"torch_dtype": "float8_e4m3fn"}, None, 2, 1),
        ({"torch_dtype": ..., "dtype": "float16"}, None, 2, 2),
        ({"torch_dtype": "float32"}, None, 2, 2),
        ({"torch_dtype": None}, None, 2, 2),
        ({"torch_dtype": ...}, "bf16", 2, 2),
        ({"quantization_config": {"quant_method": "fp8"}}, None, 2, 1),
        ({"quantization_config": {"quant_method": "fp8"}}, "fp8", 1, 1),
        ({}, "fp8", 1, 2),
    ],
)
def test_storage_types_of_a_config(config: Any, changes: dict[str, Any], kv_dtype: str | None, kv_bytes: int, weight_bytes: int) -> None:
    model = load_model(config(LLAMA, **changes), kv_dtype)
    assert model.kv_bytes_per_token == kv_bytes * 3 * 2 * 2 * 16
    tables = 2 * 100 * 64
    assert model.weight_bytes == weight_bytes * (model.total_parameters - tables) + 2 * tables


def test_weights_that_a_gpu_holds_and_reads(config: Any) -> None:
    """Section 11, by hand: a token meets 2 of 7 experts in 2 layers. Mutant: shared experts are divided; one met twice counts twice."""
    model = load_model(config(LATENT))
    routed = 2 * 7 * 3 * 10 * 11
    assert model.routed_weight_bytes == routed
    assert model.weight_bytes_per_gpu(1) == model.weight_bytes
    assert model.weight_bytes_per_gpu(4) == model.weight_bytes - routed * 3 / 4
    assert model.weight_read_bytes(1, 1) == pytest.approx(model.weight_bytes - routed * 5 / 7)
    assert model.weight_read_bytes(2, 1) == pytest.approx(model.weight_bytes - routed * 25 / 49)
    assert model.weight_read_bytes(10_000, 4) == pytest.approx(model.weight_bytes_per_gpu(4))


@given(any_model, st.integers(0, 5000), st.integers(0, 300))
@example(MODELS["ds-660b"], 2047, 1)
@example(MODELS["ds-660b"], 2047, 2)
def test_attention_is_the_sum_over_positions(model: Model, cached: int, computed: int) -> None:
    total = 0
    for position in range(cached + 1, cached + computed + 1):
        attended = position if model.top_k is None else min(position, model.top_k)
        total += model.core_flops_per_pair * attended + model.indexer_flops_per_pair * position
    assert model.attention_flops(cached, computed) == total


@pytest.mark.parametrize(
    ("name", "core", "indexer", "top_k"),
    [
        ("ds-660b", 61 * 128 * 2 * (576 + 512), 61 * 64 * 2 * 128, 2048),
        ("ds-27b", 30 * 32 * 2 * (576 + 512), 30 * 32 * 2 * 64, 1024),
        ("qwen-32b", 64 * 40 * 4 * 128, 0, None),
    ],
)
def test_flops_of_a_pair_of_positions(name: str, core: int, indexer: int, top_k: int | None) -> None:
    model = MODELS[name]
    assert (model.core_flops_per_pair, model.indexer_flops_per_pair, model.top_k) == (core, indexer, top_k)
    assert model.attention_flops(0, 1) == core + indexer


@given(any_model, st.integers(0, 1_000_000), st.integers(0, 100_000), st.integers(0, 100_000))
def test_chunks_of_a_prefill_add_up(model: Model, cached: int, first: int, second: int) -> None:
    chunks = model.flops(cached, first) + model.flops(cached + first, second)
    assert model.flops(cached, first + second) == pytest.approx(chunks, rel=1e-12)


@given(any_model, st.integers(0, 1_000_000), st.integers(1, 10_000))
def test_more_context_never_computes_less(model: Model, cached: int, computed: int) -> None:
    assert model.attention_flops(cached + 1, computed) >= model.attention_flops(cached, computed) > 0
    assert model.linear_flops(computed) == pytest.approx(2 * model.active_parameters * computed)


@given(any_model, st.integers(0, 200_000))
def test_a_decode_step_reads_what_it_attends_to(model: Model, context: int) -> None:
    attended = context if model.top_k is None else min(context, model.top_k)
    unread = (context - attended) * (model.kv_bytes_per_token - model.indexer_bytes_per_token)
    assert model.decode_read_bytes(context) == context * model.kv_bytes_per_token - unread


def test_sparse_decode_reads_latents_up_to_top_k_and_every_indexer_key() -> None:
    assert MODELS["ds-660b"].decode_read_bytes(65_536) == 61 * (2048 * 576 + 65_536 * 128)


def test_unknown_names_are_told_the_known_ones() -> None:
    assert sentence("ds-66b") == "Unknown model 'ds-66b'; did you mean 'ds-660b'?"
    message = sentence("mamba")
    assert "'mamba'" in message
    assert all(name in message for name in PRESETS)


def test_unknown_kv_dtype_is_told_the_known_ones() -> None:
    assert sentence("ds-660b", "int4") == "kv_dtype = 'int4' is not allowed: it should be one of fp8, bf16, fp16."


@pytest.mark.parametrize(
    ("content", "complaint"), [(None, "cannot be read"), (b"{", "is not JSON"), (b"\xff", "is not JSON"), (b"[1]", "JSON object")]
)
def test_unreadable_files_are_named(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content)
    message = sentence(str(path))
    assert complaint in message
    assert str(path) in message
    assert "\n" not in message


@pytest.mark.parametrize("field", sorted(set(LATENT) - {"quantization_config"}))
def test_missing_fields_of_a_latent_model_are_named(config: Any, field: str) -> None:
    assert sentence(config(LATENT, **{field: ...})).endswith(f"lacks the field {field!r}.")


@pytest.mark.parametrize("field", sorted(set(LLAMA) - {"num_key_value_heads", "torch_dtype"}))
def test_missing_fields_of_a_dense_model_are_named(config: Any, field: str) -> None:
    assert sentence(config(LLAMA, **{field: ...})).endswith(f"lacks the field {field!r}.")


@pytest.mark.parametrize(
    ("base", "field", "value"),
    [
        (LLAMA, "model_type", "mamba"),
        (LLAMA, "model_type", ["llama"]),
        (LLAMA, "sliding_window", 4096),
        (LLAMA, "layer_types", ["sliding_attention"] * 3),
        (LLAMA, "layer_types", 3),
        (LLAMA, "hidden_size", "64"),
        (LLAMA, "hidden_size", 64.0),
        (LLAMA, "hidden_size", True),
        (LLAMA, "hidden_size", 0),
        (LLAMA, "hidden_size", 10**400),
        (LLAMA, "num_attention_heads", 5),
        (LLAMA, "num_key_value_heads", 8),
        (LLAMA, "torch_dtype", "int32"),
        (LLAMA, "quantization_config", "fp8"),
        (LATENT, "moe_layer_freq", 2),
        (LATENT, "num_experts_per_tok", 8),
        (LATENT, "first_k_dense_replace", 4),
        (LATENT, "n_routed_experts", None),
        (LATENT, "q_lora_rank", None),
    ],
)
def test_what_is_not_modelled_is_refused_by_name(config: Any, base: dict[str, Any], field: str, value: Any) -> None:
    assert f": {field} = " in sentence(config(base, **{field: value}))


def test_a_window_counts_only_where_it_is_in_use(config: Any) -> None:
    windowed = {**LLAMA, "model_type": "qwen2", "sliding_window": 4096, "max_window_layers": 1}
    idle = load_model(config(windowed))
    assert idle == load_model(config(windowed, use_sliding_window=True, max_window_layers=3))
    used = load_model(config(windowed, use_sliding_window=True))
    assert (idle.windows, [window.tokens for window in used.windows]) == ((), [4096])
    assert ": sliding_window = 'wide'" in sentence(config(windowed, use_sliding_window=True, sliding_window="wide"))
