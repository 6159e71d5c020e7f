"""A stored build forecast again: the frames are those of a run on the same messages, once, however often broken off."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from deploy.run import RunLoop
from ingest.files.again import forecast_again
from ingest.files.bring import bring
from ingest.order import Order
from ingest.readers import Recording, open_source
from ingest.replay import DirectSource
from tests.deploy.fakes import advance
from tests.ingest.readers.logs import PEREGRINE, ROWS, scan_path
from tests.ingest.readers.test_xypt import commands, xypt
from twin.clock import FakeClock
from twin.forecast import Alert, Forecast
from twin.observation import Window
from twin.store.sql.store import SqlStore

COLUMNS = ["layer", "frame", "frame_time_s", "operator", "outcome", "lead_s", "time_s", "length_m", "x_m"]


def many_layers(folder: Path) -> Recording:
    for name in ("0004.txt", "0005.txt", "0007.txt"):
        scan_path(folder, [PEREGRINE, *ROWS], name)
    return open_source(folder)


def commanded(folder: Path) -> Recording:
    return open_source(xypt(folder / "a.h5", {"3": commands(9000), "4": commands(5000, 2)}))


def by_a_run(recording: Recording, folder: Path) -> pd.DataFrame:
    store = SqlStore.create(f"sqlite:///{folder}/run.db")
    source = DirectSource(recording.keyed())
    loop = RunLoop(source, Order(), advance, store, FakeClock())
    while loop.turn() or not source.exhausted:
        pass
    loop.finish()
    rows = store.forecasts(recording.name, recording.keyed().build_name)
    store.close()
    return rows[COLUMNS]


@pytest.mark.parametrize("make", [many_layers, commanded])
def test_the_frames_are_those_of_a_run(tmp_path: Path, make) -> None:
    recording = make(tmp_path)
    expected = by_a_run(recording, tmp_path)
    assert len(expected) > 100
    store = SqlStore.create(f"sqlite:///{tmp_path}/a.db")
    brought = bring(recording, store, FakeClock(), "replay")
    whole = forecast_again(store, advance, FakeClock(), brought.machine, brought.build)
    assert (whole.forecasts, whole.layers_seen) == (len(expected), len(recording.layers))
    pd.testing.assert_frame_equal(store.forecasts(brought.machine, brought.build)[COLUMNS], expected)
    twice = forecast_again(store, advance, FakeClock(), brought.machine, brought.build)
    assert (twice.forecasts, twice.layers_known) == (0, len(recording.layers))


def test_broken_off_and_begun_again_it_forecasts_the_rest(tmp_path: Path) -> None:
    recording = commanded(tmp_path)
    expected = by_a_run(recording, tmp_path)
    store = SqlStore.create(f"sqlite:///{tmp_path}/a.db")
    brought = bring(recording, store, FakeClock(), "replay")
    taken = 0

    def once() -> bool:
        return True

    first = forecast_again(store, advance, FakeClock(), brought.machine, brought.build, stopped=once)
    assert 0 < first.forecasts < len(expected)
    assert first.layers_seen == 0

    def counted(windows: Sequence[Window], context_of: object, now_s: float) -> tuple[list[Forecast], list[Alert]]:
        nonlocal taken
        taken += len(windows)
        return advance(windows, context_of, now_s)

    rest = forecast_again(store, counted, FakeClock(), brought.machine, brought.build)
    assert first.forecasts + rest.forecasts == len(expected)
    assert taken == len(expected)  # the layer that was begun is gone through from its beginning
    pd.testing.assert_frame_equal(store.forecasts(brought.machine, brought.build)[COLUMNS], expected)
