"""From the broker to a person: a live run over an embedded broker, its page in Chromium, an alert that arises and is
acknowledged there, and a forecast that is asked why, answered by the operator that made it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from deploy import wiring
from deploy.answers import KIND, Answers, Attributions
from deploy.ports import free_port
from deploy.run import Batch, RunLoop
from deploy.settings import Settings
from ingest.broker import EmbeddedBroker
from ingest.decode import encode
from ingest.mqtt import MqttPublisher
from ingest.order import Order
from ingest.simulate import machines
from ingest.topics import topic_of
from operators import card
from operators.engine import Engine
from tests.ui.conftest import serve
from tests.ui.test_machine_browser import chromium, page
from twin.clock import SystemClock
from twin.observation import Build
from twin.store.port import Store
from twin.twin import Twin

__all__ = ["chromium", "page", "serve"]
FIRST, ALL = 12, 260  # messages before the page opens, and in whole
WIDE_M = 180e-6  # a hatch whose tracks do not melt together


def told() -> list[tuple[str, bytes]]:
    """The simulated LPBF machine, but with a hatch that is too wide."""
    (machine,) = [each for each in machines(seed=7) if each.name == "lpbf-1"]
    out = []
    for due in islice(machine.messages(), ALL):
        message = due.message.model_copy(update={"sent_s": time.time()})
        if isinstance(message, Build):
            message = message.model_copy(update={"hatch_spacing_m": WIDE_M})
        out.append((topic_of("local", machine.name, message.kind), encode(message)))  # type: ignore[attr-defined]
    return out


@pytest.fixture
def run(tmp_path: Path) -> Iterator[tuple[Store, Settings]]:
    """A run over a broker of its own, forecasting with the shipped weights, until the test ends."""
    with ExitStack() as held:
        broker = held.enter_context(EmbeddedBroker(free_port()))
        settings = Settings(broker="external", mqtt_port=broker.port, data_dir=tmp_path, device="cpu")
        store = held.enter_context(closing(wiring.open_store(settings)))
        source = held.enter_context(closing(wiring.mqtt_source(settings)))
        twin, clock, stop = Twin(Engine(*card.load("asno-melt-pool"))), SystemClock(), threading.Event()
        answers = Answers(store, clock, {KIND: Attributions(store, twin)})
        loop = RunLoop(source, Order(kept=store), twin.advance, store, clock, Batch(20, 0.05), answers=answers)

        def turn() -> None:
            while not stop.is_set():
                loop.turn()

        thread = threading.Thread(target=turn)
        thread.start()
        held.callback(thread.join, 20)
        held.callback(stop.set)
        yield store, settings


@pytest.mark.timeout(150)
def test_a_person_sees_an_alert_arise_acknowledges_it_and_asks_why(
    page: Any, serve: Callable[..., str], run: tuple[Store, Settings]
) -> None:
    store, settings = run
    messages, address = told(), serve(settings.database_url, stale_after_s=600.0)
    with closing(MqttPublisher("127.0.0.1", settings.mqtt_port, "lpbf-1")) as machine:
        say(machine.publish, messages[:FIRST])
        page.goto(f"{address}/machine?machine=lpbf-1")
        page.wait_for_selector("#alerts:has-text('No alerts')", timeout=60_000)
        say(machine.publish, messages[FIRST:])
        row = page.locator("#alerts li:has-text('Too shallow: lack of fusion')")
        row.wait_for(timeout=60_000)
        assert "tracks 180 µm apart" in row.inner_text()
        assert "layer 0, x " in row.inner_text()
        row.locator("button[data-deed=acknowledge]").click()
        page.fill("#act-by", "Ada")
        page.fill("#act-note", "hatch is set too wide")
        page.click("#act-send")
        page.wait_for_selector("#alerts .people:has-text('hatch is set too wide')", timeout=60_000)
        (known,) = store.alerts("lpbf-1").query("kind == 'lack_of_fusion'").to_dict("records")
        assert (known["acknowledged_by"], known["acknowledged_note"]) == ("Ada", "hatch is set too wide")

        while store.counts()["observations"] < len(messages):
            page.wait_for_timeout(100)
        page.click("#why-open")
        page.wait_for_function("document.querySelector('#why-moment').textContent.startsWith('now')")
        page.click("text=Ask why")
        page.wait_for_selector("#why-state:has-text('Answered.'), #why-state:has-text('Withheld:')", timeout=60_000)
        (request,) = store.requests()
        assert (request.state, request.who, request.kind) == ("done", "Ada", KIND)
        answer = request.answer or {}
        frames = store.melt_pool("lpbf-1")
        assert answer["frame"] in set(frames["frame"])
        assert answer["shown"], answer["sentence"]
        assert page.inner_text("#why-sentence") == answer["sentence"].replace(" um", " µm").replace(" us", " µs")
        assert page.inner_text("#why-sentence").startswith("Depth now: ")
        assert "asno-melt-pool" in page.inner_text("#why-facts")


def say(publish: Callable[..., None], messages: list[tuple[str, bytes]]) -> None:
    for topic, payload in messages:
        publish(topic, payload)
