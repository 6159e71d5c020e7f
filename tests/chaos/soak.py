"""A soak: simulated machines at speed through broker, order and store, in one process, whose memory must stay flat:
`python -m tests.chaos.soak WALL_S PROCESS_S` prints the figures as JSON.

The machine of the demonstration (a DED wall: plan, parameters, two sensors) goes through a real broker (iotcore) into
SQLite, as fast as the run takes it, to the end of PROCESS_S or for WALL_S, whichever is first. The machine is never
more than `AHEAD` messages ahead: what waits in the broker, in this same process, would be counted as the run's own.
"""

import ctypes
import json
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import psutil

from deploy.batch import Batch
from deploy.run import RunLoop
from ingest.broker import EmbeddedBroker
from ingest.decode import encode
from ingest.machines.ded import ded_wall
from ingest.mqtt import MqttPublisher, MqttSource
from ingest.order import Order
from ingest.simulate import REHEARSED
from ingest.topics import every_kind, topic_of
from tests.chaos.twin import advance
from tests.ingest.said import free_port
from twin.clock import SystemClock
from twin.observation import State
from twin.store.sql.store import SqlStore

AHEAD = 1000  # messages
SETTLED = 0.4  # of the run: caches and pools have their size by then
FLAT_MB = 5.0  # growth after that which is still flat: the file's page cache, the newest latencies


def give_back() -> None:
    """What is free goes back to the system, so that what is left is in use: glibc keeps freed pages as it likes."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def speak(port: int, wall_s: float, process_s: float, said: dict[str, float], taken: Callable[[], int]) -> None:
    """The machine's messages, `AHEAD` of those taken at most."""
    machine = ded_wall(1)
    publisher = MqttPublisher("127.0.0.1", port, "soak", max_in_flight=500)
    begun_s = time.monotonic()
    for due in machine.messages():
        if due.due_s > process_s or time.monotonic() - begun_s > wall_s:
            break
        while said.get("messages", 0) - taken() >= AHEAD:
            time.sleep(0.001)
        message = due.message
        if isinstance(message, State):
            message = message.model_copy(update={"origin": "replay"})
        publisher.publish(topic_of("soak", machine.name, message.kind), encode(message))  # type: ignore[attr-defined]
        said["messages"] = said.get("messages", 0) + 1
        said["process_s"] = due.due_s
    publisher.drain(60.0)
    publisher.close()
    said["done"] = 1


def soak(wall_s: float, process_s: float) -> dict[str, object]:
    """The figures; `broken` names each law that does not hold."""
    process, rss, said = psutil.Process(), list[float](), dict[str, float]()
    deque(islice(ded_wall(1).messages(), REHEARSED), maxlen=0)  # what a machine needs is compiled before it is measured
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker(free_port()) as broker:
        store = SqlStore.create(f"sqlite:///{Path(folder)}/soak.db")
        source = MqttSource("127.0.0.1", broker.port, "soak-run", every_kind("soak"), receive_maximum=1000)
        run = RunLoop(source, Order(kept=store), advance, store, SystemClock(), Batch(500, 0.02))
        line = (broker.port, wall_s, process_s, said, lambda: run.tally.messages_taken)
        threading.Thread(target=speak, args=line, daemon=True).start()
        begun_s = looked_s = time.monotonic()
        while "done" not in said or run.tally.messages_taken < said["messages"]:
            run.turn()
            if time.monotonic() - looked_s > 0.5:
                looked_s = time.monotonic()
                give_back()
                rss.append(process.memory_info().rss / 2**20)
        took_s = time.monotonic() - begun_s
        source.close()
        counts = store.counts()
        store.close()
    settled = rss[int(SETTLED * len(rss)) :]
    quarter = max(len(settled) // 4, 1)
    grown = sum(settled[-quarter:]) / quarter - sum(settled[:quarter]) / quarter
    laws = {
        f"memory grew by {grown:.1f} MB": grown < FLAT_MB,
        "messages are missing": counts["observations"] == said["messages"],
        "gaps": counts["gaps"] == 0,
        "windows = forecasts": run.tally.windows == counts["forecasts"],
    }
    return {
        "messages": int(said["messages"]),
        "process_s": round(said["process_s"], 1),
        "wall_s": round(took_s, 1),
        "times_real_time": round(said["process_s"] / took_s, 2),
        "rss_mb": [round(each, 1) for each in rss[:: max(len(rss) // 20, 1)]],
        "grown_mb": round(grown, 1),
        "broken": [law for law, holds in laws.items() if not holds],
    }


if __name__ == "__main__":
    print(json.dumps(soak(float(sys.argv[1]), float(sys.argv[2]))))
