"""What KV-cache and weights are stored in: what a config says of it, what it says nothing of, and that it is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dualpath_lab.cli import main
from dualpath_lab.models import Model, load_model
from dualpath_lab.scenario import ScenarioError

LAYERS, HIDDEN, VOCAB, EXPERTS, WIDTH = 4, 64, 100, 8, 32
ATTENTION = LAYERS * 2 * HIDDEN * (4 + 2) * 16
DENSE = 3 * HIDDEN * 128
EXPERT = 3 * HIDDEN * WIDTH
ROUTED, SHARED, ROUTERS = 3 * EXPERTS * EXPERT, 3 * EXPERT, 3 * HIDDEN * EXPERTS
TABLES = 2 * VOCAB * HIDDEN
KV = LAYERS * 2 * 2 * 16
"""Elements that a token leaves."""
MIXED: dict[str, Any] = {
    "model_type": "dots1",
    "num_hidden_layers": LAYERS,
    "hidden_size": HIDDEN,
    "vocab_size": VOCAB,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "n_routed_experts": EXPERTS,
    "num_experts_per_tok": 2,
    "n_shared_experts": 1,
    "moe_intermediate_size": WIDTH,
    "first_k_dense_replace": 1,
    "torch_dtype": "bfloat16",
}
GROUP = {"weights": {"num_bits": 4, "type": "int", "group_size": 32}, "targets": ["Linear"]}
FP8_KV = {"num_bits": 8, "type": "float", "dynamic": False}


@pytest.mark.parametrize(
    ("quantization", "kv_bytes"),
    [
        (None, 2),
        ({"quant_method": "fp8"}, 2),
        ({"quant_method": "fp8", "kv_cache_scheme": None}, 2),
        ({"quant_method": "fp8", "kv_cache_scheme": "static"}, 1),
        ({"quant_method": "compressed-tensors", "config_groups": {"group_0": GROUP}, "kv_cache_scheme": FP8_KV}, 1),
        ({"quant_method": "compressed-tensors", "config_groups": {}, "kv_cache_scheme": FP8_KV}, 1),
        ({"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}, 1),
        ({"quant_method": "modelopt", "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}}, 1),
        ({"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_quant_algo": "none"}, 2),
        ({"quant_method": "something new"}, 2),
        (
            {
                "quant_method": "quark",
                "export": {"kv_cache_group": ["*k_proj", "*v_proj"]},
                "layer_quant_config": {"*k_proj": {"output_tensors": {"dtype": "fp8_e4m3"}}},
            },
            1,
        ),
    ],
)
def test_the_kv_type_is_what_is_said_of_the_kv_cache(written: Callable[..., str], quantization: Any, kv_bytes: int) -> None:
    """Mutant: the KV-cache follows the weights."""
    path = written(MIXED | {"quantization_config": quantization})
    model = load_model(path)
    assert model.kv_bytes_per_token == kv_bytes * KV
    assert [load_model(path, dtype).kv_bytes_per_token for dtype in ("fp8", "bf16")] == [KV, 2 * KV]
    assert sum("KV-cache is in" in note for note in model.notes) == 1


def test_what_stands_beside_the_config_counts(written: Callable[..., str]) -> None:
    model = load_model(written(MIXED, {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}}))
    assert (model.kv_bytes_per_token, model.kv_dtype) == (KV, "fp8")
    assert model.weight_bytes == model.total_parameters + ROUTERS + TABLES
    assert "hf_quant_config.json" in model.notes[0]


@pytest.mark.parametrize(
    ("fields", "beside", "named"),
    [
        ({"quantization_config": {"kv_cache_scheme": {"num_bits": 8, "type": "int"}}}, None, "quantization_config.kv_cache_scheme = {"),
        ({}, {"quantization": {"kv_cache_quant_algo": "NVFP4"}}, "hf_quant_config.json's quantization.kv_cache_quant_algo = 'NVFP4'"),
        ({"kv_cache_dtype": "int4"}, None, "kv_cache_dtype = 'int4'"),
    ],
)
def test_another_kv_type_is_refused_unless_one_is_chosen(written: Callable[..., str], fields: Any, beside: Any, named: str) -> None:
    path = written(MIXED | fields, beside)
    with pytest.raises(ScenarioError, match=r"--kv-dtype \(kv_dtype\) says in which") as caught:
        load_model(path)
    assert named in str(caught.value)
    assert load_model(path, "bf16").kv_bytes_per_token == 2 * KV


def test_a_broken_file_beside_is_named(written: Callable[..., str], tmp_path: Path) -> None:
    path = written(MIXED)
    (tmp_path / "hf_quant_config.json").write_text("{")
    with pytest.raises(ScenarioError, match=r"hf_quant_config\.json' is not JSON"):
        load_model(path)


ALL_LINEAR = {"attention", "dense", "shared", "routed"}
SIZES = {"attention": ATTENTION, "dense": DENSE, "shared": SHARED, "routed": ROUTED, "routers": ROUTERS, "tables": TABLES}
INT4_32, NVFP4, MXFP4 = (4 + 16 / 32) / 8, (4 + 8 / 16) / 8, (4 + 8 / 32) / 8
KIMI = ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*", r"re:.*mlp\.(gate|up|gate_up|down)_proj.*"]


@pytest.mark.parametrize(
    ("quantization", "few", "parts"),
    [
        ({"quant_method": "fp8", "modules_to_not_convert": ["lm_head", "model.layers.0.mlp.gate"]}, 1, ALL_LINEAR),
        ({"quant_method": "fbgemm_fp8"}, 1, ALL_LINEAR),
        ({"quant_method": "awq", "bits": 4, "group_size": 32, "modules_to_not_convert": None}, INT4_32, ALL_LINEAR),
        ({"quant_method": "gptq", "bits": 8, "group_size": -1}, 1, ALL_LINEAR),
        ({"quant_method": "anything", "w_bit": 4, "q_group_size": 32}, INT4_32, ALL_LINEAR),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, 1, ALL_LINEAR),
        ({"quant_method": "mxfp4"}, MXFP4, {"routed"}),
        ({"quant_method": "compressed-tensors", "config_groups": {"group_0": GROUP}, "ignore": KIMI}, INT4_32, {"routed"}),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["*self_attn*", "lm_head"]}, NVFP4, ALL_LINEAR - {"attention"}),
        ({"quant_algo": "NVFP4", "exclude_modules": ["model.layers.0.self_attn.o_proj"]}, NVFP4, ALL_LINEAR - {"attention"}),
        ({"quant_algo": "NVFP4", "exclude_modules": ["model.layers.0.mlp.down_proj"]}, NVFP4, ALL_LINEAR - {"dense"}),
        ({"quant_algo": "NVFP4", "exclude_modules": ["model.layers.9.mtp.down_proj", "model.embed_tokens"]}, NVFP4, ALL_LINEAR),
        ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp8_e4m3"}}, "exclude": ["*mlp.gate"]}, 1, ALL_LINEAR),
        ({"quant_method": "compressed-tensors", "config_groups": {}, "kv_cache_scheme": FP8_KV}, 2, set()),
    ],
)
def test_weights_part_by_part(written: Callable[..., str], quantization: Any, few: float, parts: set[str]) -> None:
    """Mutants: what a quantization leaves out is counted as quantized; scales are forgotten; tables are quantized."""
    model = load_model(written(MIXED | {"quantization_config": quantization}))
    assert sum(SIZES.values()) == model.total_parameters
    assert model.weight_bytes == int(sum(size * (few if part in parts else 2) for part, size in SIZES.items()))
    assert model.doubts == ()


def test_layers_that_are_left_out_one_by_one(written: Callable[..., str]) -> None:
    """As in Llama 3.1 405B in FP8: all attention, and the first and the last feed-forward network."""
    plain = {"model_type": "llama", "num_hidden_layers": 4, "hidden_size": 64, "vocab_size": 100, "intermediate_size": 128}
    names = [f"model.layers.{layer}.mlp.{kind}_proj" for layer in (0, 3) for kind in ("gate", "up", "down")]
    fields = plain | {"num_attention_heads": 4, "quantization_config": {"quant_method": "fbgemm_fp8", "modules_to_not_convert": names}}
    model = load_model(written(fields))
    assert model.weight_bytes == model.total_parameters + TABLES + 2 * DENSE


def test_each_kind_of_layer_has_its_own_scheme(written: Callable[..., str]) -> None:
    layers = {"model.layers.0.self_attn.q_proj": {"quant_algo": "FP8"}, "model.layers.2.mlp.experts.0.w1": {"quant_algo": "NVFP4"}}
    mixed = {"quant_algo": "MIXED_PRECISION", "quantized_layers": layers}
    eight, four = {"num_bits": 8, "type": "float"}, {"num_bits": 4, "type": "float", "group_size": 16}
    groups = {"a": {"weights": eight, "targets": ["re:.*self_attn.*"]}, "b": {"weights": four, "targets": ["re:.*mlp.experts.*"]}}
    for quantization in (mixed, {"quant_method": "compressed-tensors", "config_groups": groups}):
        model = load_model(written(MIXED | {"quantization_config": quantization}))
        assert model.weight_bytes == int(ATTENTION + NVFP4 * ROUTED + 2 * (DENSE + SHARED + ROUTERS + TABLES))


@pytest.mark.parametrize("quantization", [{"quant_method": "aqlm"}, {"foo": [1]}, {"quant_algo": "NEW"}, {"quant_method": ["x"]}])
def test_an_unknown_quantization_is_told_and_stops_nothing(written: Callable[..., str], quantization: Any) -> None:
    model, plain = load_model(written(MIXED | {"quantization_config": quantization})), load_model(written(MIXED))
    assert model == plain
    assert [doubt for doubt in model.doubts if "not known here" in doubt] == list(model.doubts) != []


def _model(folder: Path) -> Model:
    return load_model(str(folder / "config.json"))


# From shared/cases/README.md: KV bytes a token, and of the weights what is said there.
@pytest.mark.parametrize(
    ("name", "kv_bytes", "weight_gbytes"),
    [
        ("deepseek-v3.1-nvfp4", 35_136, 400),
        ("minimax-m2.7", 253_952, 230),
        ("qwen3-30b-a3b-fp8", 98_304, 31),
        ("llama-2-7b", 524_288, 13.5),
        ("llama-3.1-8b", 131_072, 16.1),
        ("kimi-k2.5", 70_272, 594),
        ("no-dtype", 147_456, 16.4),
        ("glm-5.1-transformers5", 109_824, 1_488),
        ("mimo-v2-flash", 2 * (9 * 4 + 39 * 8) * (192 + 128), 310),
        ("internvl", 12_288, 1.26),
        ("right/gemma-3-4b-it", 139_264, 7.8),
        ("right/qwen3-coder-480b", 253_952, 960),
        ("right/mixtral-8x22b", 229_376, 281),
    ],
)
def test_configs_from_peoples_work(shared_cases: Path, name: str, kv_bytes: int, weight_gbytes: float) -> None:
    model = _model(shared_cases / name)
    assert model.kv_bytes_per_token == kv_bytes
    assert model.weight_bytes / 1e9 == pytest.approx(weight_gbytes, rel=0.02)


def test_windows_from_peoples_work(shared_cases: Path) -> None:
    (gemma,), (mimo,) = (_model(shared_cases / name).windows for name in ("right/gemma-3-4b-it", "mimo-v2-flash"))
    assert (gemma.tokens, gemma.kv_bytes_per_token) == (1024, 118_784)
    assert (mimo.tokens, mimo.kv_bytes_per_token) == (128, 39 * 8 * 320 * 2)


def test_the_command_tells_what_was_taken(written: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    path = written(MIXED | {"max_position_embeddings": 4096})
    assert main(["model", path, "--context", "4000", "--append", "96"]) == 0
    within = capsys.readouterr().out
    assert "note: The KV-cache is in BF16: " in within
    assert "max_position_embeddings" not in within
    assert main(["model", path, "--context", "4000", "--append", "97", "--kv-dtype", "fp8"]) == 0
    beyond = capsys.readouterr().out
    assert "note: The KV-cache is in FP8: kv_dtype says so." in beyond
    assert "4,097 tokens are more than" in beyond
