"""Fifty viewers of one server for five minutes, one in ten of them a nuisance: ``python benchmarks/load.py``.

The well-behaved watch a live race. The others drag sliders as fast as they can, open pages and leave at once, and drop their sockets in
the middle. At the end it says how many updates a second the well-behaved got, whether the server's log has an error, and what is left of
it all: exit code 1 if they got too few, if there was an error, if a session stays behind, or if as many visitors again leave the server
with more memory than the first have left it.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from contextlib import suppress
from itertools import count
from random import Random
from statistics import median
from time import monotonic

from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import WebSocketClosedError
from visitor import Visitor, cpu_s, memory_mb, server

ASKED_UPDATES_S = 4.0
ASKED_LEFT = 0.10
"""Share by which memory may have grown when as many visitors have come and gone again."""
EACH_STARTS_S = 0.5
FORGOTTEN_S = 40.0
AGAIN_S = 60.0


async def drag(url: str, random: Random) -> None:
    """A slider, thirty times a second, for some seconds."""
    visitor = Visitor(url)
    await visitor.open()
    listening = asyncio.create_task(visitor.listen())
    for _ in range(random.randint(60, 150)):
        await visitor.slide("Storage bandwidth", random.choice([50, 100, 200, 400, 800]))
        await asyncio.sleep(1 / 30)
    visitor.close()
    await listening


async def reload(url: str, _: Random) -> None:
    """The page, and away before anything is drawn."""
    await AsyncHTTPClient().fetch(url, request_timeout=120)


async def drop(url: str, random: Random) -> None:
    """A page that is read for a while and then no more."""
    visitor = Visitor(url)
    await visitor.open()
    await asyncio.sleep(random.uniform(0, 3))
    visitor.abort()


async def misbehave(url: str, number: int, until: float) -> int:
    """One nuisance after the other; returns how many."""
    random = Random(number)
    for times in count():
        if monotonic() >= until:
            return times
        with suppress(WebSocketClosedError):  # the server need not keep up with a mad slider
            await random.choice([drag, reload, drop])(url, random)
    raise AssertionError


async def sessions(url: str) -> int:
    """Pages that the server counts as open."""
    answer = await AsyncHTTPClient().fetch(f"{url}metrics")
    return sum(int(float(number)) for number in re.findall(r"^dualpath_lab_sessions\{.*\} (\S+)$", answer.body.decode(), re.MULTILINE))


async def come(url: str, viewers: int) -> dict[Visitor, asyncio.Task[None]]:
    """So many who watch a live race, and what listens for each."""
    watching = {}
    for _ in range(viewers):
        visitor = Visitor(url)
        await visitor.open()
        watching[visitor] = asyncio.create_task(visitor.listen())
        await asyncio.sleep(EACH_STARTS_S)
    return watching


async def go(watching: dict[Visitor, asyncio.Task[None]]) -> None:
    """They leave, and the server forgets them."""
    for visitor in watching:
        visitor.close()
    await asyncio.gather(*watching.values())
    await asyncio.sleep(FORGOTTEN_S)


async def load(url: str, process: int, viewers: int, seconds: float) -> bool:
    """Whether all is as asked; prints what it finds."""
    AsyncHTTPClient.configure(None, max_clients=2 * viewers)
    await go(await come(url, 1))
    before_mb = memory_mb(process)
    nuisances = viewers // 10
    good = await come(url, viewers - nuisances)
    until = monotonic() + seconds
    had, began, spent_s = [visitor.updates for visitor in good], monotonic(), cpu_s(process)
    frames = sum(visitor.frames for visitor in good)
    bad = await asyncio.gather(*(misbehave(url, number, until) for number in range(nuisances)))
    lasted_s = monotonic() - began
    rates = [(visitor.updates - before) / lasted_s for visitor, before in zip(good, had, strict=True)]
    frames = sum(visitor.frames for visitor in good) - frames
    share = (cpu_s(process) - spent_s) / lasted_s
    lost = sum(task.done() for task in good.values())
    full_mb = memory_mb(process)
    await go(good)
    after_mb = memory_mb(process)
    again = await come(url, len(good))
    await asyncio.sleep(AGAIN_S)
    await go(again)
    left, grown = await sessions(url), memory_mb(process) / after_mb - 1
    found = f"{min(rates):.1f} to {max(rates):.1f} updates a second, median {median(rates):.1f}"
    print(f"{len(good)} viewers got {found} (asked {ASKED_UPDATES_S:g}), in {frames / lasted_s / len(good):.1f} frames a second each")
    print(f"the server had {share:.0%} of a processor over {lasted_s:.0f} s")
    print(f"{nuisances} others: {sum(bad)} mad drags, reloads and dropped sockets; {lost} of the viewers lost their page")
    print(f"memory: {before_mb:.0f} MB before, {full_mb:.0f} MB with all, {after_mb:.0f} MB after")
    print(f"and after {len(again)} more: {grown:+.1%} (asked {ASKED_LEFT:.0%}); {left} sessions left")
    return median(rates) >= ASKED_UPDATES_S and not lost and not left and grown <= ASKED_LEFT


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=300)
    options = parser.parse_args()
    try:
        with server() as (url, process):
            good = asyncio.run(load(url, process, options.viewers, options.seconds))
    except RuntimeError as error:
        print(f"The server's log has errors:\n{error}")
        good = False
    sys.exit(not good)


if __name__ == "__main__":
    main()
