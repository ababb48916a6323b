"""Configs as published: well-known sizes come out, and what is not modelled is refused by name.

``published.json`` holds hyper-parameters as they stand in the models' ``config.json``, cut to what bears on size.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualpath_lab.models import Model, Window, load_model
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.studies.run import simulate
from dualpath_lab.theory import cache_compute_ratio, model_summary

PUBLISHED: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "published.json").read_text())
SLIDING, FULL = "sliding_attention", "full_attention"


@pytest.fixture
def config(tmp_path: Path) -> Any:
    """Write a published config with changes, ``...`` standing for a field removed, and give its path."""

    def write(name: str, **changes: Any) -> str:
        fields = {key: value for key, value in {**PUBLISHED[name], **changes}.items() if value is not ...}
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(fields))
        return str(path)

    return write


def refused(path: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        load_model(path)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert len(sentence) < 1_000
    return sentence


# Total and active parameters as their makers give them. Active ones leave out the embedding table, as here; where the makers count
# it, it is subtracted. GLM's total includes its multi-token-prediction layer and Llama 4's its vision encoder, each 1 % at most.
@pytest.mark.parametrize(
    ("name", "total", "active", "kv_bytes"),
    [
        ("llama-2-7b", 6.74, 6.61, 524_288),
        ("llama-3-8b", 8.03, 7.50, 131_072),
        ("llama-32-1b", 1.236, 1.236, 32_768),
        ("mistral-7b", 7.24, 7.11, 131_072),
        ("mistral-nemo", 12.25, 11.58, 163_840),
        ("mixtral", 46.7, 12.75, 131_072),
        ("qwen2-7b", 7.62, 7.07, 57_344),
        ("qwen3-8b", 8.19, 7.57, 147_456),
        ("qwen3-30b", 30.5, 3.04, 98_304),
        ("qwen3-235b", 235.1, 21.6, 192_512),
        ("qwen2-57b", 57.4, 13.7, 57_344),
        ("gemma-2-9b", 9.24, 9.24, 344_064),
        ("gemma-3-27b", 27.0, 27.0, 507_904),
        ("gemma-3-4b", 3.88, 3.88, 139_264),
        ("gpt-oss-120b", 116.8, 5.13, 73_728),
        ("gpt-oss-20b", 20.9, 3.61, 49_152),
        ("phi-4", 14.66, 14.15, 204_800),
        ("phi-3-mini", 3.82, 3.72, 393_216),
        ("glm-45", 353, 32, 376_832),
        ("deepseek-v2", 235.7, 20.8, 69_120),
        ("deepseek-v2-lite", 15.7, 2.45, 31_104),
        ("kimi-k2", 1026, 31.7, 70_272),
        ("minimax-m2", 228.7, 10, 253_952),
        ("llama-4-scout", 107.8, 16.1, 196_608),
        ("llama-4-maverick", 400, 16.1, 196_608),
    ],
)
def test_well_known_sizes(config: Any, name: str, total: float, active: float, kv_bytes: int) -> None:
    model = load_model(config(name))
    assert model.total_parameters / 1e9 == pytest.approx(total, rel=0.01)
    assert model.active_parameters / 1e9 == pytest.approx(active, rel=0.05)
    assert model.kv_bytes_per_token == kv_bytes


# Most of these are described in words that another of the makers, or another year, does not use. Totals are the makers', without encoders.
@pytest.mark.parametrize(
    ("name", "total", "kv_bytes"),
    [
        ("vicuna", 6.74, 524_288),
        ("falcon7b", 7, 8_192),
        ("falcon40b", 41.5, 122_880),
        ("falcon-rw", 1.3, 196_608),
        ("starcoder2", 7.17, 65_536),
        ("gpt-bigcode", 15.5, 20_480),
        ("command-r", 35, 1_310_720),
        ("command-r-plus", 104, 262_144),
        ("command-r7b", 8.03, 131_072),
        ("olmo2", 13.7, 819_200),
        ("olmo3", 7.3, 524_288),
        ("granite33", 8.17, 163_840),
        ("granite-moe", 3.3, 65_536),
        ("phi2", 2.78, 327_680),
        ("phi35moe", 41.9, 131_072),
        ("smollm3", 3.08, 73_728),
        ("exaone4", 32, 262_144),
        ("seed-oss", 36, 262_144),
        ("internlm2", 7.7, 131_072),
        ("glm4-9b-chatglm", 9.4, 40_960),
        ("glm4-0414", 32.6, 62_464),
        ("dots1", 143, 1_015_808),
        ("olmoe", 6.9, 131_072),
        ("llava15", 6.74, 524_288),
        ("llava-next-mistral", 7.24, 131_072),
        ("paligemma", 2.5, 18_432),
        ("qwen25vl-flat", 7.6, 57_344),
        ("qwen25omni", 7.6, 57_344),
        ("qwen3omni", 30.5, 98_304),
        ("qwen3vl-moe", 235, 192_512),
        ("glm45v", 106.7, 188_416),
        ("deepseek-vl2", 27, 34_560),
        ("deepseek-ocr", 3, 61_440),
        ("kimi-vl", 16, 31_104),
        ("mistral-small-31", 23.6, 163_840),
        ("internvl-llama", 70.6, 327_680),
        ("internvl-internlm2", 19.9, 196_608),
        ("qwen3moe-t5", 30.5, 98_304),
        ("dsv32-t5", 671.9, 85_888),
        ("glm47flash", 29.9, 54_144),
        ("gemma3-t5", 11.8, 393_216),
    ],
)
def test_sizes_whatever_the_words(config: Any, name: str, total: float, kv_bytes: int) -> None:
    model = load_model(config(name))
    assert model.total_parameters / 1e9 == pytest.approx(total, rel=0.03)
    assert model.kv_bytes_per_token == kv_bytes


@pytest.mark.parametrize(
    ("name", "full_layers", "windows"),
    [
        ("llama-3-8b", 32, []),
        ("mistral-7b", 0, [(4096, 32)]),
        ("mistral-nemo", 40, []),
        ("qwen2-7b", 28, []),
        ("gemma-2-9b", 21, [(4096, 21)]),
        ("gemma-3-27b", 10, [(1024, 52)]),
        ("gpt-oss-120b", 18, [(128, 18)]),
        ("phi-3-mini", 0, [(2047, 32)]),
        ("llama-4-scout", 12, [(8192, 36)]),
        ("command-r7b", 8, [(4096, 24)]),
        ("olmo3", 8, [(4096, 24)]),
        ("gemma3-t5", 8, [(1024, 40)]),
    ],
)
def test_a_long_context_keeps_the_windows_and_the_full_layers(
    config: Any, name: str, full_layers: int, windows: list[tuple[int, int]]
) -> None:
    """64 K and 100 tokens. Mutant: every layer keeps everything; a pattern that is off by one."""
    model, context = load_model(config(name)), 65_636
    a_layer = model.kv_bytes_per_token // model.layers
    kept = [(100 if name == "llama-4-scout" else tokens) * layers for tokens, layers in windows]
    assert model.kv_bytes(context) == a_layer * (full_layers * context + sum(kept))


def test_short_contexts_keep_everything(config: Any) -> None:
    model = load_model(config("gpt-oss-120b"))
    assert model.linear_up_to == 128
    assert model.kv_bytes(128) == 128 * model.kv_bytes_per_token
    assert model.kv_bytes(129) < 129 * model.kv_bytes_per_token
    assert load_model(config("llama-3-8b")).linear_up_to is None


@given(st.integers(1, 40), st.booleans(), st.integers(0, 100), st.integers(0, 60))
def test_attention_in_a_window_is_the_sum_over_positions(tokens: int, chunked: bool, cached: int, computed: int) -> None:
    window = Window(tokens, kv_bytes_per_token=2, flops_per_pair=3, chunked=chunked)
    model = Model("w", 2, 5, 1, 1, 1, 0, False, 1, core_flops_per_pair=7, windows=(window,))
    total = 0
    for position in range(cached + 1, cached + computed + 1):
        seen = (position - 1) % tokens + 1 if chunked else min(position, tokens)
        total += 7 * position + 3 * seen
        assert window.kept(position - 1) >= seen - 1
    assert model.attention_flops(cached, computed) == total
    assert model.decode_read_bytes(cached) == model.kv_bytes(cached)


def test_layer_types_say_the_same_as_the_older_fields(config: Any) -> None:
    """Mutant: the pattern starts with the full layer, or counts from the wrong end."""
    gemma = {"text_config": PUBLISHED["gemma-3-27b"]["text_config"]}
    types = ([SLIDING] * 5 + [FULL]) * 10 + [SLIDING] * 2
    implied = load_model(config("gemma-3-27b"))
    assert implied == load_model(config("gemma-3-27b", text_config=gemma["text_config"] | {"layer_types": types}))
    assert implied == load_model(config("gemma-3-27b", text_config=gemma["text_config"] | {"sliding_window_pattern": 6}))
    late = {"use_sliding_window": True, "sliding_window": 4096}
    listed = load_model(config("qwen2-7b", **late, layer_types=[FULL] * 21 + [SLIDING] * 7))
    assert listed == load_model(config("qwen2-7b", **late, max_window_layers=21))
    assert listed.kv_bytes(10_000) == 2048 * (21 * 10_000 + 7 * 4096)


def test_experts_in_four_bits_weigh_what_the_checkpoint_does(config: Any) -> None:
    model = load_model(config("gpt-oss-120b"))
    assert model.weight_bytes / 2**30 == pytest.approx(60.8, rel=0.02)
    assert (model.kv_dtype, model.expert_parallel, model.active_experts) == ("bf16", True, 4)


def test_ratio_counts_the_window_only(config: Any) -> None:
    path = config("mistral-7b")
    model, full = load_model(path), load_model(config("mistral-nemo", num_hidden_layers=32))
    assert cache_compute_ratio(model, 65_536, 429) < cache_compute_ratio(full, 65_536, 429) / 4
    summary = model_summary(model, 65_536, 429)
    assert summary["kv_bytes_per_token"] == 131_072 * 4096 / 65_536
    assert summary["kv_bytes_per_new_token"] == 131_072
    assert summary["kv_bytes"] == 131_072 * 4096


def test_windows_are_simulated_as_far_as_bytes_grow_with_tokens(config: Any, tmp_path: Path) -> None:
    """Linear bytes in the simulation. Mutant: a window beyond which the simulation loads what was dropped."""
    trace = tmp_path / "t.csv"
    trace.write_text("session,turn,input_tokens,output_tokens,hit_tokens_incl_output,gap_before_s\na,0,4000,90,0,\na,1,4100,20,4090,\n")
    cluster = {"prefill_nodes": 1, "decode_nodes": 1, "gpus_per_node": 1}
    for window, allowed in ((4120, True), (4119, False)):
        path = config("mistral-7b", sliding_window=window)
        scenario = Scenario(model=path, cluster=cluster, workload={"source": str(trace), "agents": 1})
        if allowed:
            assert simulate(scenario).to_dict()["turns"] == 2
            continue
        with pytest.raises(ScenarioError, match=r"turns of up to 4,120 tokens: .* up to 4,119 tokens"):
            simulate(scenario)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("qwen3-next", "full_attention_interval"),
        ("nemotron-h", "hybrid_override_pattern"),
        ("jamba", "attn_layer_period"),
        ("mamba", "state_size"),
        ("minimax-01", "attn_type_list"),
        ("mllama", "text_config.cross_attention_layers"),
        ("t5", "is_encoder_decoder"),
        ("gemma-3n", "text_config.num_kv_shared_layers"),
        ("lfm2", "layer_types"),
    ],
)
def test_other_architectures_are_refused_with_the_field_that_tells(config: Any, name: str, field: str) -> None:
    assert f": {field} = " in refused(config(name))


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("llama-3-8b", "num_kv_shared_layers", 15),
        ("llama-3-8b", "cross_attention_layers", [3, 8]),
        ("llama-3-8b", "is_encoder_decoder", True),
        ("llama-3-8b", "index_topk", 2048),
        ("llama-3-8b", "num_local_experts", 8),
        ("llama-3-8b", "kv_lora_rank", 512),
        ("llama-3-8b", "sliding_window", 4096),
        ("llama-3-8b", "layer_types", ["linear_attention"] * 32),
        ("llama-3-8b", "layer_types", [FULL] * 31),
        ("llama-3-8b", "mamba_d_state", 16),
        ("llama-3-8b", "text_config", 3),
        ("llama-3-8b", "tie_word_embeddings", "yes"),
        ("mistral-7b", "sliding_window", 0),
        ("mistral-7b", "sliding_window", -1),
        ("mixtral", "num_experts_per_tok", 9),
        ("gpt-oss-120b", "sliding_window", None),
        ("gpt-oss-120b", "layer_types", [SLIDING, "linear_attention"] * 18),
        ("minimax-m2", "attn_type_list", [0] + [1] * 61),
        ("minimax-m2", "shared_intermediate_size", 4096),
        ("qwen3-30b", "decoder_sparse_step", 2),
        ("qwen3-30b", "mlp_only_layers", [48]),
        ("deepseek-v2", "index_topk", 2048),
        ("kimi-k2", "quantization_config", "fp8"),
        ("kimi-k2", "mlp_layer_types", ["dense"] * 2 + ["sparse"] * 59),
        ("dsv32-t5", "mlp_layer_types", ["dense"] * 3 + ["sparse"] * 57),
        ("dsv32-t5", "mlp_layer_types", ["dense"] * 3 + ["linear"] * 58),
        ("dsv32-t5", "indexer_types", ["full"] * 60 + ["shared"]),
        ("dsv32-t5", "layer_types", ["sliding_attention"] * 61),
        ("qwen3-30b", "num_local_experts", 64),
        ("glm45v", "text_config", []),
        ("smollm3", "layer_types", ["linear_attention"] * 36),
        ("falcon40b", "num_kv_heads", 200),
        ("deepseek-v2", "use_mla", 3),
        ("kimi-k2", "full_attention_layers", [0]),
        ("phi-4", "model_type", "x" * 10_000),
    ],
)
def test_a_field_that_changes_the_numbers_unknown_is_refused(config: Any, name: str, field: str, value: Any) -> None:
    """Mutant: the field is passed over, and the number is silently wrong."""
    assert f": {field} = " in refused(config(name, **{field: value}))


@pytest.mark.parametrize(
    "field", ["rope_scaling", "bos_token_id", "attention_bias", "auto_map", "cross_attention_hidden_size", "pruned_heads"]
)
def test_fields_that_leave_size_alone_pass(config: Any, field: str) -> None:
    value = {"rope_scaling": {"type": "yarn"}, "attention_bias": True, "auto_map": {"a": "b"}, "bos_token_id": 7}.get(field)
    assert load_model(config("llama-3-8b", **{field: value})) == load_model(config("llama-3-8b"))


def test_inference_configs_of_deepseek_are_read(shared_data: Path) -> None:
    """Mutant: the hub's and the inference code's names of one model give other figures."""
    folder = shared_data / "model_configs"
    inference = load_model(str(folder / "deepseek-ai--DeepSeek-V3.2-Exp.inference_config_671B_v3.2.json"))
    hub = load_model(str(folder / "deepseek-ai--DeepSeek-V3.2.json"))
    other = {"name": "", "max_positions": None, "notes": (), "weight_bytes": 0}
    assert vars(inference) | other == vars(hub) | other
    assert inference.weight_bytes == hub.weight_bytes


def test_a_nested_decoder_leaves_out_its_class_defaults(config: Any) -> None:
    """And says which; any other config lacks the field. Mutants: a default is taken in silence, or for a config that was cut short."""
    model = load_model(config("llava15"))
    told = "text_config.num_hidden_layers = 32, text_config.num_attention_heads = 32, text_config.num_key_value_heads = 32"
    assert told in " ".join(model.doubts)
    text = PUBLISHED["llava15"]["text_config"]
    assert model == load_model(config("llava15", text_config=text | {"hidden_size": 4096, "num_hidden_layers": 32}))
    assert "lacks the field 'num_hidden_layers'" in refused(config("llama-3-8b", num_hidden_layers=...))
    assert "lacks the field 'text_config.n_routed_experts'" in refused(
        config(
            "qwen3vl-moe",
            text_config={"model_type": "glm4_moe_lite"}
            | {
                key: value
                for key, value in PUBLISHED["glm47flash"].items()
                if key not in ("n_routed_experts", "model_type", "architectures")
            },
        )
    )


def test_heads_that_are_not_named_have_keys_and_values_of_their_own(config: Any) -> None:
    """As in the first Llama, and with null."""
    assert (
        load_model(config("vicuna", num_key_value_heads=32))
        == load_model(config("vicuna"))
        == load_model(config("vicuna", num_key_value_heads=None))
    )
    assert load_model(config("vicuna", num_key_value_heads=32)).doubts == ()
    assert "num_key_value_heads = 32" in " ".join(load_model(config("vicuna")).doubts)


def test_the_class_tells_the_type(config: Any) -> None:
    """A published GLM-4.5 says ``glm`` and ``Glm4MoeForCausalLM``. Mutant: model_type alone is looked at."""
    named = {"architectures": ["Glm4MoeForCausalLM"]}
    assert load_model(config("glm-45", model_type="glm", **named)) == load_model(config("glm-45"))
    assert load_model(config("glm-45", model_type=..., **named)) == load_model(config("glm-45"))
    assert "read as glm4_moe" in " ".join(load_model(config("glm-45", model_type="glm", **named)).notes)
    assert load_model(config("glm-45", architectures=["SomethingElse"])) == load_model(config("glm-45"))


@pytest.mark.parametrize("field", ["use_flash_attention", "attn_type", "is_llama_config", "router_jitter_noise", "embedding_multiplier"])
def test_marks_without_a_size_pass(config: Any, field: str) -> None:
    value = {"attn_type": "full", "router_jitter_noise": 0.01, "embedding_multiplier": 12.0}.get(field, True)
    assert load_model(config("llama-3-8b", **{field: value})) == load_model(config("llama-3-8b"))


@pytest.mark.parametrize("field", ["use_linear_attention", "sparse_attention", "share_kv"])
def test_marks_of_another_structure_do_not(config: Any, field: str) -> None:
    assert f": {field} = True" in refused(config("llama-3-8b", **{field: True}))


def test_the_refusal_names_what_bears_on_size_most(config: Any) -> None:
    """And not what stands first in the file."""
    assert ": linear_heads = 4 " in refused(config("llama-3-8b", my_layers_dim=5, linear_heads=4))


def test_layers_with_a_window_may_have_heads_of_their_own(config: Any) -> None:
    """MiMo-V2-Flash in small: values that are shorter than keys, and more heads of them in a window."""
    changes = {"model_type": "mimo_v2_flash", "num_hidden_layers": 4, "hybrid_layer_pattern": [0, 1, 1, 1], "sliding_window": 128}
    changes |= {"num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 24, "v_head_dim": 16, "moe_layer_freq": [0, 1, 1, 1]}
    changes |= {"swa_num_attention_heads": 8, "swa_num_key_value_heads": 4, "swa_head_dim": 24, "swa_v_head_dim": 16}
    changes |= {"first_k_dense_replace": ..., "n_shared_experts": None, "use_qk_norm": ...}
    model = load_model(config("glm-45", **changes))
    full, windowed = 2 * (24 + 16) * 2, 3 * 4 * (24 + 16) * 2
    assert model.kv_bytes_per_token == full + windowed
    assert model.kv_bytes(1000) == 1000 * full + 128 * windowed
    assert model.core_flops_per_pair + model.windows[0].flops_per_pair == 4 * 8 * 2 * (24 + 16)
    attention = 5120 * (24 + 16) * ((8 + 2) + 3 * (8 + 4))
    experts, dense, tables = 3 * 160 * 5120 * (3 * 1536 + 1), 3 * 5120 * 12288, 2 * 151552 * 5120
    assert model.total_parameters == attention + experts + dense + tables
    assert ": hybrid_layer_pattern = " in refused(config("glm-45", **changes | {"hybrid_layer_pattern": [0, 1]}))
    five = {"hybrid_layer_pattern": ..., "layer_types": [FULL] + [SLIDING] * 3, "n_shared_experts": ...}
    five |= {"moe_layer_freq": ..., "mlp_layer_types": ["dense"] + ["sparse"] * 3}
    five |= {f"swa_{name}": ... for name in ("num_attention_heads", "num_key_value_heads", "head_dim", "v_head_dim")}
    assert load_model(config("glm-45", **changes | five)) == model


def test_a_head_size_that_is_not_given_is_told(config: Any) -> None:
    """Where most models of the type have another than hidden size / heads; and where that is none, it is missed."""
    model = load_model(config("qwen3-30b", head_dim=...))
    assert model.kv_bytes_per_token == 98_304 // 2
    assert "head_dim = 64" in " ".join(model.doubts)
    assert "lacks the field 'head_dim'" in refused(config("glm-45", head_dim=...))


@pytest.mark.parametrize(
    ("rope", "longest"),
    [
        ({}, 32_768),
        ({"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768}}, 131_072),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 4_096}}, 32_768),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 8_192}}, 32_768),
        ({"rope_scaling": {"type": "yarn", "factor": None}}, 32_768),
    ],
)
def test_the_longest_context_is_known(config: Any, rope: dict[str, Any], longest: int) -> None:
    model = load_model(config("llama-3-8b", max_position_embeddings=32_768, **rope))
    assert model.max_positions == longest
    assert model.cautions(longest) == []
    (sentence,) = model.cautions(longest + 1)
    assert f"{longest:,} that" in sentence
    assert "max_position_embeddings" in sentence


def test_a_run_beyond_it_is_warned_of(config: Any, tmp_path: Path) -> None:
    """Mutants: the warning looks at what is computed only, or forgets what is generated."""
    trace = tmp_path / "t.csv"
    trace.write_text("session,turn,input_tokens,output_tokens,hit_tokens_incl_output,gap_before_s\na,0,4000,90,0,\na,1,4100,20,4090,\n")
    cluster = {"prefill_nodes": 1, "decode_nodes": 1, "gpus_per_node": 1}
    for longest, beyond in ((4120, False), (4119, True)):
        path = config("llama-32-1b", max_position_embeddings=longest)
        result = simulate(Scenario(model=path, cluster=cluster, workload={"source": str(trace), "agents": 1}))
        assert any("4,120 tokens are more" in warning for warning in result.to_dict()["warnings"]) is beyond
        assert ("4,120 tokens are more" in result.summary()) is beyond


def test_hostile_files_are_refused_in_a_sentence(tmp_path: Path) -> None:
    """Bounded memory. Mutant: a device or a huge file is read whole; the last of two equal fields wins."""
    path = tmp_path / "config.json"
    path.write_text('{"model_type": "llama", "model_type": "qwen2"}')
    assert "'model_type' stands twice" in refused(str(path))
    path.write_text("[" * 100_000)
    assert "is not JSON" in refused(str(path))
    path.write_text('{"num_hidden_layers": ' + "9" * 10_000 + "}")
    assert "is not JSON" in refused(str(path))
    with path.open("wb") as file:
        file.truncate(10 * 10**9)
    assert "at most 4,000,000 bytes" in refused(str(path))
    assert "at most 4,000,000 bytes" in refused("/dev/zero")
    assert "cannot be read" in refused(str(tmp_path))
    assert "cannot be read" in refused("a\0/b.json")
