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


def test_a_question_is_cancelled(lab: str, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{lab}advisor?workload.agents=512&gpus=128")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status")).to_contain_text("Cancelled.")
    expect(page.get_by_role("button", name="Ask")).to_be_visible()
