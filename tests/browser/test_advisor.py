"""The Advisor page as a visitor has it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .conftest import Watched

pytestmark = pytest.mark.browser

SMALL = "workload.agents=8&gpus=16&seeds=1"
PATIENCE_MS = 180_000
TRACE = "session,turn,appended,generated\n" + "\n".join(f"s{session},{turn},900,40" for session in range(8) for turn in range(5)) + "\n"


def test_it_answers_and_an_uploaded_trace_is_asked_about(lab: str, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{lab}advisor?{SMALL}")
    expect(page.locator("h2").first).to_have_text("qwen-32b on 16 GPUs", timeout=PATIENCE_MS)
    expect(page.get_by_role("status")).to_contain_text("Answered with 16 GPUs")
    files = page.locator("input[type=file]")
    files.nth(1).set_input_files({"name": "mine.csv", "mimeType": "text/csv", "buffer": TRACE.encode()})
    expect(page.get_by_role("status")).to_contain_text("mine.csv: 8 sessions, 40 turns. It is chosen now", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("p").filter(has_text="(mine.csv, 8 agents")).to_be_visible(timeout=PATIENCE_MS)
    files.nth(0).set_input_files({"name": "config.json", "mimeType": "application/json", "buffer": b"{}"})
    expect(page.locator(".sidebar .notice.error")).to_contain_text("config.json", timeout=PATIENCE_MS)


def test_a_trace_keeps_its_pauses_and_may_not_be_too_long(lab: str, watched: Watched) -> None:
    """Mutants: a JCT of seconds for pauses of hours; a turn that would hold a process for as long as the visitor stays."""
    page = watched.page
    page.goto(f"{lab}advisor?{SMALL}")
    traces = page.locator("input[type=file]").nth(1)
    paused = "session,turn,appended,generated,gap_s\n" + "".join(f"s{session},0,900,40,\ns{session},1,90,40,7200\n" for session in range(8))
    traces.set_input_files({"name": "paused.csv", "mimeType": "text/csv", "buffer": paused.encode()})
    status = page.get_by_role("status")
    expect(status).to_contain_text("16 turns, whose pauses of up to 7,200 s are kept. It is chosen now", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("p").filter(has_text="(paused.csv, 8 agents")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("cell", name="7,20").first).to_be_visible()
    long = "session,turn,appended,generated\ns,0,900,100000000\n"
    traces.set_input_files({"name": "long.csv", "mimeType": "text/csv", "buffer": long.encode()})
    expect(page.locator(".sidebar .notice.error")).to_contain_text("a turn generates 100,000,000 tokens", timeout=PATIENCE_MS)


def test_a_question_is_cancelled(lab: str, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{lab}advisor?workload.agents=512&gpus=128")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status")).to_contain_text("Cancelled.")
    expect(page.get_by_role("button", name="Ask")).to_be_visible()
