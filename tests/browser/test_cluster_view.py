"""The animated picture of the two clusters as a visitor has it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from .conftest import Watched

pytestmark = pytest.mark.browser

LIGHTNESS = """(line) => {
  const canvas = document.createElement("canvas").getContext("2d")
  canvas.fillStyle = getComputedStyle(line).stroke
  canvas.fillRect(0, 0, 1, 1)
  return canvas.getImageData(0, 0, 1, 1).data.slice(0, 3).reduce((sum, part) => sum + part) / 765
}"""
STICKING_OUT = """(root) => {
  const svg = root.querySelector("svg")
  const frame = svg.getBoundingClientRect()
  const boxes = [...svg.querySelectorAll("text, rect.tile, path.box")].map(part => part.getBoundingClientRect())
  return boxes.filter(box => box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1).length
}"""
DRAWN_TO_SIZE = """(root) => {
  const svg = root.querySelector("svg")
  return Math.abs(svg.viewBox.baseVal.width - svg.getBoundingClientRect().width) < 4
}"""
OVERLAPPING = """(root) => {
  const texts = [...root.querySelectorAll("svg text")].filter(text => text.textContent)
  const boxes = texts.map(text => text.getBoundingClientRect())
  return boxes.flatMap((one, at) => boxes.slice(at + 1).map((other, after) => [one, other, at, at + 1 + after]))
    .filter(([one, other]) => one.left < other.right - 1 && other.left < one.right - 1)
    .filter(([one, other]) => one.top < other.bottom - 4 && other.top < one.bottom - 4)
    .map(([, , at, after]) => `${texts[at].textContent} | ${texts[after].textContent}`)
}"""
OFFSETS = "(root) => [...root.querySelectorAll('.dash')].map(line => line.style.strokeDashoffset).join()"
STANDING_STILL = f"""(root) => {{
  const [before, now] = [root.offsets, ({OFFSETS})(root)]
  root.offsets = now
  return now == before
}}"""


def side(watched: Watched, label: str) -> Locator:
    picture = watched.page.locator(".cluster").nth("AB".index(label))
    picture.locator(".node").first.wait_for()
    return picture


def said(svg: Locator) -> str:
    """The picture in words."""
    return svg.get_attribute("aria-label") or ""


def has_lightness(picture: Locator, role: str, condition: str) -> None:
    """Wait until the lightness, 0 to 1, of the storage NICs of a role that read is so; of the first one, as all are alike here."""
    line = picture.locator(".snic.rx .body").nth({"prefill": 0, "decode": -1}[role])
    picture.page.wait_for_function(f"line => ({LIGHTNESS})(line) {condition}", arg=line.element_handle())


def test_it_shows_every_node_and_the_wall(lab: str, watched: Watched) -> None:
    watched.open(lab).grown_beyond(30)
    basic, dualpath = side(watched, "A"), side(watched, "B")
    for picture in (basic, dualpath):
        expect(picture.locator(".node.prefill")).to_have_count(1)
        expect(picture.locator(".node.decode")).to_have_count(2)
    has_lightness(basic, "prefill", "< 0.3")
    has_lightness(basic, "decode", "> 0.8")
    has_lightness(dualpath, "decode", "< 0.8")
    said = re.compile("1 prefill node at 100 % and of 2 decode nodes at 0 %")
    expect(basic.locator("svg")).to_have_attribute("aria-label", said)


def test_it_follows_the_run_and_stands_still_with_it(lab: str, watched: Watched) -> None:
    page = watched.open(lab).page
    picture = side(watched, "B")
    svg = picture.locator("svg")
    moved = picture.evaluate(OFFSETS)
    expect(svg).not_to_have_attribute("aria-label", said(svg))
    page.wait_for_function(f"([root, moved]) => ({OFFSETS})(root) != moved", arg=[picture.element_handle(), moved])
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Play").wait_for()
    page.wait_for_function(STANDING_STILL, arg=picture.element_handle(), polling=500)


def test_who_asks_for_less_motion_gets_none(lab: str, watched: Watched) -> None:
    watched.page.emulate_media(reduced_motion="reduce")
    watched.open(lab)
    picture = side(watched, "A")
    svg = picture.locator("svg")
    expect(svg).not_to_have_attribute("aria-label", said(svg))
    assert set(picture.evaluate(OFFSETS)) <= {","}


def test_pointing_and_keys_tell_the_numbers(lab: str, watched: Watched) -> None:
    page = watched.open(lab).page
    picture = side(watched, "A")
    tip = picture.locator(".tip")
    expect(tip).to_be_hidden()
    picture.locator(".node.prefill .tile").hover()
    expect(tip).to_contain_text("P0, prefill node")
    expect(tip).to_contain_text("Gb/s")
    page.mouse.move(5, 5)
    expect(tip).to_be_hidden()
    picture.locator("[tabindex='0']").focus()
    expect(tip).to_contain_text("scheduler")
    page.keyboard.press("ArrowLeft")
    expect(tip).to_contain_text("D1, decode node")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(tip).to_contain_text("path one")


@pytest.mark.parametrize("nodes", [(1, 2), (12, 12), (3, 12)])
def test_nothing_sticks_out_or_covers_another_text(lab: str, watched: Watched, nodes: tuple[int, int]) -> None:
    page = watched.page
    watched.open(f"{lab}?cluster.prefill_nodes={nodes[0]}&cluster.decode_nodes={nodes[1]}&cluster.storage_gbps=1600")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Play").wait_for()
    for width in (1280, 420):
        page.set_viewport_size({"width": width, "height": 900})
        pictures = [side(watched, label) for label in "AB"]
        for picture in pictures:
            page.wait_for_function(DRAWN_TO_SIZE, arg=picture.element_handle())
        boxes = []
        for picture in pictures:
            expect(picture.locator(".node")).to_have_count(sum(nodes))
            assert picture.evaluate(STICKING_OUT) == 0
            assert picture.evaluate(OVERLAPPING) == []
            boxes.append(picture.evaluate("root => root.getBoundingClientRect().toJSON()"))
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width
        assert max(box["right"] for box in boxes) <= width
        second = page.locator(".side-b").bounding_box()
        assert second is not None
        if width == 420:
            assert second["y"] >= boxes[0]["bottom"], "the second side begins below the first one's picture"
        else:
            assert boxes[0]["top"] == boxes[1]["top"], "side by side"
