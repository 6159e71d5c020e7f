"""A twin to be killed: `python -m tests.chaos.twin PORT DATABASE SITE`. The real source, order, loop and store;
forecasts follow from the windows alone, so that two runs can be compared. It says a JSON line when its counts grow."""

import faulthandler
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from deploy.batch import Batch
from deploy.run import RunLoop
from ingest.errors import BrokerError
from ingest.mqtt import MqttSource
from ingest.order import Order
from ingest.topics import every_kind
from twin.clock import SystemClock
from twin.forecast import Alert, Forecast, Lead, MeltPool, Outcome
from twin.observation import Window
from twin.store.port import StoreError
from twin.store.sql.store import SqlStore

T = TypeVar("T")
SAY_S = 0.05


def advance(windows: Sequence[Window], context_of: object, now_s: float) -> tuple[list[Forecast], list[Alert]]:
    """A pool as long as the frame; a frame over a gap is stale."""
    return [forecast(window, now_s) for window in windows if not window.skipped], []


def forecast(w: Window, now_s: float) -> Forecast:
    size = MeltPool(w.end_s - w.start_s, 0.0, 0.0)
    return Forecast(
        machine=w.machine, build=w.build, layer=w.layer, frame=w.index, time_s=w.end_s, issued_s=now_s, sent_s=w.sent_s,
        operator="fake", outcome=Outcome("stale", "parameters missing") if w.gap else w.told, regime="conduction",
        keyhole_number=1.0, laser_on=True,
        leads=(Lead(0.0, w.end_s, size, float(w.path.x_m[-1]), 0.0, float(w.path.beam_power_w[0])),),
    )  # fmt: skip


def patiently(open_it: Callable[[], T]) -> T:
    """As a supervisor would: again until what it needs is there."""
    while True:
        try:
            return open_it()
        except (StoreError, BrokerError):
            time.sleep(0.2)


def main(port: int, database: str, site: str) -> None:
    faulthandler.register(signal.SIGUSR1)
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    store = patiently(lambda: SqlStore.create(database))

    def begin() -> RunLoop:
        source = MqttSource("127.0.0.1", port, f"chaos-{site}", every_kind(site), receive_maximum=500)
        run = RunLoop(
            source, Order(kept=store), advance, store, SystemClock(), Batch(200, 0.02, windows=256, backlog=None)
        )
        try:
            run.resume()
        except StoreError:
            source.close()
            raise
        return run

    run = patiently(begin)
    said: tuple[int, list[str]] = (-1, [])
    said_s = 0.0
    while not asked:
        run.turn()
        tally, now_s = run.tally, time.monotonic()
        new = (tally.messages_taken, list(run.waits))
        if new != said and now_s - said_s > SAY_S:
            said, said_s = new, now_s
            print(json.dumps({"taken": new[0], "waits": new[1], "tries": tally.store_tries}), flush=True)
    run._source.close()
    store.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
