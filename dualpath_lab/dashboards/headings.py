"""Headings of panels, each with a sign that says what the panel shows."""

from __future__ import annotations

from html import escape

HELP = {
    "Scheduler queue": "Turns that were submitted and are not placed on engines yet, because none has room or is below its bound.",
    "Read queue": "KV-cache that a role's nodes still have to read from storage, in tokens. A lasting queue is the wall.",
    "Storage NICs (SNIC)": "How busy a role's storage NICs are with reading. Without a second path the decode ones idle.",
    "DRAM": "How busy the nodes' memory is with KV-cache, reads and writes together.",
    "Compute NICs (CNIC), prefill": "The prefill GPUs' compute NICs in their busier direction, by who uses them.",
    "Prefill queue": "Turns whose KV-cache is at hand and that wait for a forward: it grows where compute is short.",
    "Compute NICs (CNIC), decode": "The decode GPUs' compute NICs in their busier direction, by who uses them.",
    "First token": "From submitting a turn to its first token, mean of the turns that ended lately.",
    "Second token": "From a turn's first token to its second: a copy to HBM and a step. Mean of the turns that ended lately.",
    "Time per output token": "Mean time for each token after the first, of the turns that ended lately.",
    "All turns": "Every turn of the run by the time it ended and its TTFT. Click on one to take it apart.",
    "Its stages": "Where the turn's time went, stage by stage; pale is waiting.",
    "Its bytes on every link": "What the turn moved over each link of its path, step by step; a link that is crossed twice counts twice.",
    "What the scheduler saw": "Engines and read queues at the moment in which the turn was placed.",
    "Forwards": "Batches of the engine group that prefilled the turn: when they ran and how long their attention took, with the quota.",
    "On the wire": "Which packet the port sends when: a row for each lane, below it who waits.",
    "Bytes carried": "What each port has carried of the model's traffic and of KV-cache since the run began.",
    "Heat map": "The measure in every cell. Press one for its numbers; the outline is where the closed form sees no bottleneck.",
    "Curves": "The same cells as lines, one for each row of the heat map.",
    "Throughput against latency": "Every P:D that was tried: turns/s for each GPU against mean TTFT. None beats a filled point in both.",
}
"""What each panel shows, by its name."""


def titled(name: str, text: str = "") -> str:
    """A panel's title with its help, to stand in a heading; ``text`` says more than the panel's name."""
    return (
        f'<b>{escape(text or name)}</b><details class="help"><summary aria-label="What {escape(text or name)} shows">?</summary>'
        f"<span>{escape(HELP[name])}</span></details>"
    )
