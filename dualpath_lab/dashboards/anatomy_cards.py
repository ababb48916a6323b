"""A turn in figures and words: its headline, and what the scheduler saw. Plain functions to HTML."""

from __future__ import annotations

from dualpath_lab.core.systems import mechanisms
from dualpath_lab.dashboards.cards import STAR, headline
from dualpath_lab.picture.style import DECODE, KV, PREFILL, STRUCTURE, duration
from dualpath_lab.studies.anatomy import Turns

PATHS = {
    "prefill": ("prefill path", PREFILL),
    "decode": ("decode path", DECODE),
    "both": ("both paths", KV),
    "none": ("nothing read", STRUCTURE),
}
"""Name and colour of the side that reads."""


def turn_card(turns: Turns, turn: int) -> str:
    """Headline figures of a turn."""
    value = {name: column[turn].item() for name, column in turns.columns.items()}
    first = turns.simulation.workload.first_turn[value["agent"]]
    path, colour = PATHS[turns.path(turn)]
    pe, de = turns.engines(turn)
    return (
        f'<div class="card turn"><div class="name"><span><b>Turn {turn:,}</b> '
        f'<span class="quiet">of {len(turns):,}; agent {value["agent"]}, its turn {value["row"] - first + 1}</span> '
        f'<span class="key" style="--ink:{colour}">{path}</span> <span class="quiet">{pe.name} to {de.name}</span></span></div>'
        '<div class="figures turn">'
        + headline(STAR + "TTFT", duration(value["ttft"]), "From submission to the first token")
        + headline("TTST", duration(value["ttst"]), "From the first token to the second")
        + headline("TPOT", duration(value["tpot"]), "Time for each token after the first, mean")
        + headline("Hit", _tokens(value["hit"]), "Prompt tokens whose KV-cache comes from storage")
        + headline("Computed", _tokens(value["computed"]), "Prompt tokens that are prefilled")
        + headline("Generated", _tokens(value["generate"]), "Tokens of the answer")
        + "</div></div>"
    )


def seen_table(turns: Turns, turn: int) -> str:
    """What the scheduler saw when it placed a turn, and what came of it."""
    seen = turns.seen(turn)
    pe, de = turns.engines(turn)
    simulation = turns.simulation
    tokens_per_s = simulation.scenario.cluster.storage_bytes_per_s / simulation.model.kv_bytes_per_token
    rows = [
        (f"Prefill engine {pe.name}", seen.pe, "unfinished, with this turn's"),
        (f"Decode engine {de.name}", seen.de, "unfinished, with this turn's"),
        (f"Read queue of {pe.node.name}", seen.prefill_queue, f"{duration(seen.prefill_queue / tokens_per_s)} to read"),
        (f"Read queue of {de.node.name}", seen.decode_queue, f"{duration(seen.decode_queue / tokens_per_s)} to read"),
    ]
    body = "".join(
        f'<tr><th scope="row">{what}</th><td>{tokens:,} tokens</td><td class="quiet">{note}</td></tr>' for what, tokens, note in rows
    )
    return f'<table class="seen">{body}</table><p class="quiet">{_verdict(turns, turn)}</p>'


def _verdict(turns: Turns, turn: int) -> str:
    """Which side reads, and why."""
    chosen, path, seen = mechanisms(turns.simulation.scenario), turns.path(turn), turns.seen(turn)
    if path == "none":
        return "Nothing is read." if chosen.transfers else "This system reads nothing."
    if not chosen.dual_path:
        return "This system always reads on the prefill side."
    if not chosen.adaptive:
        return f"The sides take turns, whatever the queues: this one is read on the {path} side."
    if chosen.split:
        near, hit = (int(turns.columns[name][turn]) for name in ("prefill_read", "hit"))
        return f"Divided so that the queues end together: {near:,} tokens for the prefill side, {hit - near:,} for the decode side."
    equal = seen.prefill_queue == seen.decode_queue
    return f"Read on the {path} side{', as the queues are equal' if equal else ', whose queue is shorter'}."


def _tokens(number: int) -> str:
    return f"{number:,} <small>tokens</small>"


ANATOMY_CSS = """
.figures.turn { grid-template-columns: repeat(3, 1fr) repeat(3, 1.25fr); }
@media (max-width: 700px) { .figures.turn { grid-template-columns: repeat(2, 1fr); } }
table.seen { border-collapse: collapse; width: calc(100% - 8px); margin: 4px 0 0 8px; font-variant-numeric: tabular-nums; }
table.seen th { text-align: left; font-weight: 500; }
table.seen th, table.seen td { padding: 5px 10px 5px 0; border-bottom: 1px solid color-mix(in srgb, currentColor 14%, transparent); }
table.seen td:nth-child(2) { text-align: right; white-space: nowrap; }
p { margin: 8px; }
"""
"""On top of the house's own."""
