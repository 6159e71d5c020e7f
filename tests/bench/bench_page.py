"""What the machine's page costs, in a real browser, on a store that a thread keeps feeding.

    paint      from the navigation's start to the first drawn forecast, loopback, warm cache          at most 2 s
    updates    frames that the page drew of those written, 10 a second                                all of them
    bytes      of an update on the websocket, as JSON before compression, p95 and largest             at most 60 kB
    delay      from the commit of a frame in the store to its drawing in the browser, p95             at most 300 ms
    memory     of the page's scripts after collection, from the second fifth of its stretch to the last  none
    viewers    CPU time of the server for 20 viewers of a machine over that for one                   at most 2

The server is a process of its own, the browser is Debian's Chromium without a GPU; on a machine of two cores both and
the feeding thread share them.
"""

import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from playwright.sync_api import Page, sync_playwright
from websockets.sync.client import connect

from tests.ui.synthetic import LPBF_BAY, SyntheticStore, frame_step, opening_step
from twin.store.port import Step
from twin.store.sql.store import SqlStore

RATE = 10.0  # frames a second
WANTED = {"paint_s": 2.0, "drawn": 1.0, "bytes": 60_000.0, "delay_s": 0.3, "memory_mb": 2.0, "viewers": 2.0}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--enable-unsafe-swiftshader",
    "--enable-precise-memory-info",
]
SERVER = "import sys; from ui.serve import serve; serve(sys.argv[1], int(sys.argv[2]))"
FIRST = """() => {
    const graph = document.querySelector('#timeline .js-plotly-plot');
    const line = graph && graph._fullData && graph._fullData.find((trace) => trace.meta === 'forecast');
    return line ? performance.now() / 1000 : null;
}"""

DRAWN = """() => {
    const drawn = window.drawn = {}, graph = document.querySelector('#timeline .js-plotly-plot');
    graph.on('plotly_afterplot', () => {
        const frame = graph.layout.meta && [].concat(graph.layout.meta.frame).pop();  // the newest that is drawn
        if (frame !== undefined && !(frame in drawn)) drawn[frame] = Date.now() / 1000;
    });
}"""


def as_served(step: Step) -> Step:
    """With fields of the shipped operator's size: every second node of the made-up ones, 36 x 25 x 17."""
    (forecast,) = step.forecasts
    fields = tuple(
        replace(f, x_m=f.x_m[::2], y_m=f.y_m[::2], z_m=f.z_m[::2], temperature_k=f.temperature_k[::2, ::2, ::2])
        for f in forecast.fields
    )
    return replace(step, forecasts=[replace(forecast, fields=fields)])


class Fed:
    """A store into which a thread writes frames of one machine; `committed` says when each was."""

    def __init__(self, folder: Path, rate: float) -> None:
        self.url = f"sqlite:///{folder / 'page.db'}"
        self.committed: dict[int, float] = {}
        self._rate, self._stop = rate, threading.Event()
        self._store, self._source = SqlStore.create(self.url), SyntheticStore(frame=100, now_s=time.time())
        self._store.write(opening_step(self._source, LPBF_BAY))
        for _ in range(200):
            self._write(with_field=False)
        self._thread = threading.Thread(target=self._feed, daemon=True)

    def begin(self) -> None:
        """From now on a frame every 1 / rate seconds."""
        self._thread.start()

    def end(self) -> None:
        """No more frames."""
        self._stop.set()
        self._thread.join(10)
        self._store.close()

    def _feed(self) -> None:
        due_s = time.monotonic()
        while not self._stop.is_set():
            self._write(with_field=self._source.frame % round(self._rate) == 0)
            due_s += 1.0 / self._rate
            time.sleep(max(due_s - time.monotonic(), 0.0))

    def _write(self, *, with_field: bool) -> None:
        self._source.advance(1, time.time())
        self._store.write(as_served(frame_step(self._source, LPBF_BAY, with_field=with_field)))
        self.committed[self._source.frame] = time.time()


@contextmanager
def served(url: str) -> Iterator[tuple[str, psutil.Process]]:
    """The page's server as a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", SERVER, url, str(port)])
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"127.0.0.1:{port}", psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(10)


def painted_s(page: Page, address: str) -> float:
    """Seconds from the navigation's start until the forecast is drawn."""
    page.goto(address)
    page.wait_for_function(FIRST, timeout=60_000, polling=20)
    return float(page.evaluate(FIRST))


def watched(page: Page, fed: Fed, seconds: float, remember: float = 0.0) -> dict[str, Any]:
    """What a page that is open for so long drew and took; then what it held, over as long or `remember` seconds."""
    sizes: list[int] = []
    page.on("websocket", lambda line: line.on("framereceived", lambda said: sizes.append(len(said))))
    page.reload()
    page.wait_for_function(FIRST, timeout=60_000)
    page.evaluate(DRAWN)
    time.sleep(2.0)
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.enable")
    sizes.clear()
    begun_s = time.time()
    page.wait_for_timeout(1000 * seconds)
    ended_s = time.time() - 1.0
    updates = len(sizes) / seconds
    drawn = {int(frame): float(at_s) for frame, at_s in page.evaluate("window.drawn").items()}
    mine = {frame: at_s for frame, at_s in fed.committed.items() if begun_s < at_s < ended_s}
    late = [drawn[frame] - at_s for frame, at_s in mine.items() if frame in drawn]
    held: list[float] = []
    for _ in range(20):  # by itself: to collect what is no longer used stops the page for a moment
        page.wait_for_timeout(1000 * (remember or seconds) / 20)
        session.send("HeapProfiler.collectGarbage")
        held.append(float(page.evaluate("performance.memory.usedJSHeapSize")) / 2**20)
    fifth = len(held) // 5
    return {
        "seconds": round(ended_s - begun_s, 1), "written": len(mine), "drawn": round(len(late) / max(len(mine), 1), 3),
        "updates_a_second": round(updates, 1),
        "bytes_p95": float(np.quantile(sizes, 0.95)), "bytes_most": max(sizes),
        "delay_s_median": round(statistics.median(late), 3), "delay_s_p95": round(float(np.quantile(late, 0.95)), 3),
        "memory_over_s": remember or seconds, "memory_mb": [round(each, 1) for each in held],
        "memory_grown_mb": round(statistics.mean(held[-fifth:]) - statistics.mean(held[fifth : 2 * fifth]), 2),
    }  # fmt: skip


def viewers_cpu_s(host: str, server: psutil.Process, viewers: int, seconds: float) -> float:
    """CPU time of the server while so many look at the machine as the page does: ask, draw for 40 ms, ask again."""
    stop = threading.Event()

    def look() -> None:
        with connect(f"ws://{host}/live", origin=f"http://{host}", max_size=None) as line:  # type: ignore[arg-type]
            seen: dict[str, int] = {}
            while not stop.is_set():
                ask = {"page": "machine", "asked": {"machine": LPBF_BAY.name}, "scheme": "light", "seen": seen}
                line.send(json.dumps(ask))
                for name, part in json.loads(line.recv())["parts"].items():
                    seen[name] = part["stamp"]
                time.sleep(0.04)

    threads = [threading.Thread(target=look, daemon=True) for _ in range(viewers)]
    for thread in threads:
        thread.start()
    time.sleep(2.0)
    before = sum(server.cpu_times()[:2])
    time.sleep(seconds)
    took = sum(server.cpu_times()[:2]) - before
    stop.set()
    for thread in threads:
        thread.join(10)
    return float(took)


def measured(seconds: float, rate: float, remember: float = 0.0) -> dict[str, Any]:
    """All figures of one run."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("Chromium is not here: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        fed = Fed(Path(folder), rate)
        fed.begin()
        with served(fed.url) as (host, server):
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            address = f"http://{host}/machine?machine={LPBF_BAY.name}"
            painted = [painted_s(page, address) for _ in range(4)]
            figures = watched(page, fed, seconds, remember)
            browser.close()
            one, many = (viewers_cpu_s(host, server, count, 15.0) for count in (1, 20))
        fed.end()
    return {
        "paint_cold_s": round(painted[0], 2), "paint_s": round(statistics.median(painted[1:]), 2), "rate": rate,
        **figures,
        "server_cpu_one_viewer": round(one / 15.0, 3), "viewers_ratio": round(many / one, 2),
        "cpu_count": os.cpu_count(), "load": round(os.getloadavg()[0], 1), "platform": platform.machine(),
    }  # fmt: skip


def main(argv: list[str]) -> int:
    """The command line."""
    parser = ArgumentParser(prog="meltwin bench page", description=__doc__)
    parser.add_argument("--for", dest="seconds", type=float, default=60.0, help="of watching")
    parser.add_argument("--remember", type=float, default=0.0, help="seconds of memory; left out: as of watching")
    parser.add_argument("--rate", type=float, default=RATE, help="frames a second")
    told = parser.parse_args(argv)
    print(json.dumps(measured(told.seconds, told.rate, told.remember), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
