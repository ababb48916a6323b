"""What all the pages' own HTML looks like."""

from __future__ import annotations

CSS = """
:host { font-family: Roboto, "Helvetica Neue", Arial, sans-serif; font-size: 13px; line-height: 1.35; }
.star { color: #b8860b; margin-right: 4px; }
.heading { display: flex; flex-wrap: wrap; align-items: baseline; column-gap: 10px; padding-left: 8px; white-space: nowrap; }
.heading b { font-weight: 600; }
.heading .star { margin-right: -6px; }
.help { display: inline-block; margin-left: -6px; position: relative; white-space: normal; }
.help summary { list-style: none; cursor: pointer; width: 15px; height: 15px; line-height: 14px; text-align: center; font-size: 11px; }
.help summary { border: 1px solid currentColor; border-radius: 50%; opacity: 0.75; box-sizing: border-box; }
.help summary::-webkit-details-marker { display: none; }
.help span { position: absolute; left: -40px; top: 20px; width: 240px; z-index: 20; padding: 6px 10px; border-radius: 6px; }
.help span { background: #2b363d; color: #fff; font-size: 12px; }
.key { opacity: 0.85; font-size: 12px; }
.key::before { content: ""; display: inline-block; width: 14px; border-top: 3px solid var(--ink); margin-right: 5px; vertical-align: 3px; }
.key.dashed::before { border-top-style: dashed; width: 22px; }
.key.solid::before { width: 22px; }
.key.dotted::before { border-top-style: dotted; }
.key.pale::before { border-top-width: 9px; opacity: 0.3; vertical-align: 0; }
.key.mark::before { content: none; }
.card { border: 1px solid color-mix(in srgb, currentColor 18%, transparent); border-radius: 8px; padding: 8px 14px 10px; }
.card .name { display: flex; justify-content: space-between; align-items: baseline; gap: 10px; margin-bottom: 4px; }
.card .name b { font-size: 15px; font-weight: 600; }
.figures { display: grid; grid-template-columns: 1.45fr 1.1fr 1fr 1fr 1.2fr; gap: 4px 8px; font-variant-numeric: tabular-nums; }
.figures .what { font-size: 11.5px; opacity: 0.75; white-space: nowrap; }
.figures .value { font-size: 19px; font-weight: 500; white-space: nowrap; }
.figures .what .few { font-size: 10.5px; border: 1px solid currentColor; border-radius: 6px; padding: 0 4px; margin-left: 3px; }
.figures .value small { font-size: 12px; opacity: 0.75; font-weight: 400; }
.figures.four { grid-template-columns: 1.1fr 1.25fr 1.25fr 1fr; }
.shares { display: flex; height: 9px; border-radius: 3px; overflow: hidden; margin: 7px 0 3px; }
.shares { background: color-mix(in srgb, currentColor 12%, transparent); }
.shares i { display: block; height: 100%; }
.card a { color: inherit; font-weight: 500; }
.meter { height: 5px; border-radius: 3px; background: color-mix(in srgb, currentColor 12%, transparent); margin-top: 3px; }
.meter i { display: block; height: 100%; border-radius: 3px; background: currentColor; opacity: 0.65; }
.clock { font-variant-numeric: tabular-nums; white-space: nowrap; }
.clock b { display: inline-block; min-width: 5.6em; font-weight: 500; font-size: 15px; }
.keys th { padding: 2px 14px 2px 0; text-align: left; white-space: nowrap; }
.quiet { opacity: 0.75; font-size: 12px; }
.notice { border-left: 4px solid #78868F; padding: 2px 0 2px 10px; }
.notice.warning { border-left-color: #E69F00; }
.notice.error { border-left-color: #D55E00; font-weight: 500; }
.band { position: relative; height: 10px; border-radius: 5px; margin: 6px 0 2px; }
.band { background: color-mix(in srgb, currentColor 8%, transparent); }
.band .free { position: absolute; top: 0; bottom: 0; border-radius: 5px; background: color-mix(in srgb, currentColor 30%, transparent); }
.band .here { position: absolute; top: -3px; width: 4px; height: 16px; margin-left: -2px; border-radius: 2px; background: currentColor; }
.scale { display: flex; justify-content: space-between; font-size: 11px; opacity: 0.7; }
.outline { display: inline-block; width: 16px; height: 9px; border: 2px solid currentColor; margin-right: 6px; vertical-align: -1px; }
@media (max-width: 700px) { .figures { grid-template-columns: 1.3fr 1fr 1fr; } .figures.four { grid-template-columns: 1fr 1fr; } }
"""
"""What all the page's own HTML looks like; it follows the light or dark theme through ``currentColor``."""
LEGEND: dict[str, str | None] = {"font-size": "13px"}
"""Styles of a plot's legend: the page's theme sizes it relative to its element, whose own text is larger than that of the axes."""
