"""The laws that every store keeps of builds and layers added up: they are what a person would get from the frames."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.contracts import store_cases as case
from twin.forecast import Forecast, Lead, MeltPool, Outcome
from twin.observation import Layer, Parameters, Skipped
from twin.store.fake.store import FakeStore
from twin.store.port import Step, Store
from twin.store.sql.store import SqlStore
from twin.store.sums import ARCHIVE, BINS, NOT_OK, OF_FRAMES, POINTS, SIZES, SUMS

FRAME_S = 62.5e-6


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store
    if request.param == "fake":
        made = FakeStore()
    else:
        sqlite = f"sqlite:///{tmp_path}/s.db"
        made = SqlStore.create(sqlite if request.param == "sqlite" else request.getfixturevalue("empty_store")())
    yield made
    made.close()


def framed(layer: int, frame: int, width_m: float, **fields: Any) -> Forecast:
    time_s = layer * 10.0 + frame * FRAME_S
    pool = MeltPool(2.4 * width_m, width_m, 0.45 * width_m)
    x_m = fields.pop("x_m", frame * 50e-6)
    lead = Lead(0.0, time_s, pool, x_m, layer * 1e-3, fields.pop("beam_power_w", 195.0))
    return case.forecast(frame, layer=layer, time_s=time_s, **({"leads": (lead,)} | fields))


def filled(store: Store, widths: dict[int, list[float]]) -> None:
    messages = [case.state(), case.build(layers=9, part="bracket", hatch_spacing_m=1e-4)]
    forecasts: list[Forecast] = []
    for number, layer in enumerate(widths):
        begin_s = layer * 10.0
        messages.append(Layer(source="m1", sequence=number, time_s=begin_s, build="b1", layer=layer, z_m=layer * 4e-5))
        messages.append(case.parameters(number, [begin_s, begin_s + 3.0 + layer / 8], number=layer, final=True))
        messages.append(
            case.signal(number, [begin_s + 0.1, begin_s + 0.2], [1e-4, 2e-4]).model_copy(update={"layer": layer})
        )
        forecasts += [framed(layer, frame, width) for frame, width in enumerate(widths[layer])]
    store.write(Step([case.heard(message) for message in messages], forecasts=forecasts, received_s=1000.0))


def sums(store: Store, layer: int, quantity: str) -> Any:
    found = store.layer_sums("m1", "b1", layer, layer)
    assert list(found.columns) == list(SUMS)
    mine = found[(found["quantity"] == quantity) & (found["layer"] == layer)]
    return None if mine.empty else mine.iloc[0]


def test_an_empty_store_has_columns_and_no_rows(store: Store) -> None:
    for table, columns in (
        (store.archive(), ARCHIVE), (store.layer_sums("m1", "b1", 0, 9), SUMS),
        (store.layer_bins("m1", "b1", 0, 9, every=4), BINS), (store.layer_points("m1", "b1", 0, 9, every=4), POINTS),
    ):  # fmt: skip
        assert table.empty
        assert list(table.columns) == list(columns)
    assert store.build_outcomes("m1", "b1") == {}
    assert store.frames_by_layer("m1", "b1") == {}


@pytest.mark.parametrize("count", [1, 2, 7, 20, 21, 100])
def test_quantiles_are_numpys(store: Store, count: int) -> None:
    widths = np.random.default_rng(count).uniform(1e-4, 2e-4, count).tolist()
    filled(store, {3: widths, 4: [1.5e-4] * 3})
    for quantity, factor in zip(SIZES, (1.0, 2.4, 0.45), strict=True):
        row = sums(store, 3, quantity)
        wanted = np.quantile(np.array(widths) * factor, [0.05, 0.5, 0.95])
        np.testing.assert_allclose([row["p05"], row["p50"], row["p95"]], wanted, rtol=1e-12)
        assert row["count"] == count
    assert sums(store, 4, "width_m")["p50"] == pytest.approx(1.5e-4, rel=1e-12)


def test_only_frames_that_count_are_counted(store: Store) -> None:
    filled(store, {1: [1e-4] * 4})
    odd = [
        framed(1, 4, 9e-4, outcome=Outcome("outside_envelope", "q", 1.0, "")),
        framed(1, 5, 9e-4, opinion="another"),
        framed(1, 5, 9e-4, laser_on=False),
        framed(1, 6, 9e-4, leads=(), outcome=Outcome("non_finite")),
    ]
    store.write(Step(forecasts=odd, received_s=1001.0))
    assert sums(store, 1, "width_m")["count"] == 4
    assert sums(store, 1, "width_m")["p95"] == pytest.approx(1e-4)
    assert sums(store, 1, "beam_power_w")["count"] == 5, "the power is observed, whatever is thought of the forecast"
    told = sums(store, 1, NOT_OK)
    assert (told["count"], told["p50"]) == (7, pytest.approx(2 / 7))
    assert store.build_outcomes("m1", "b1") == {"ok": 5, "outside_envelope": 1, "non_finite": 1}
    assert store.frames_by_layer("m1", "b1") == {1: 7}


def test_frames_that_were_passed_over_were_due(store: Store) -> None:
    filled(store, {1: [1e-4] * 3})
    store.write(Step(skipped=[Skipped("m1", "b1", 1, 3, 6, 1001.0), Skipped("m1", "b1", 2, 0, 0, 1001.0)]))
    store.write(Step(skipped=[Skipped("m1", "b2", 1, 0, 9, 1001.0)]))
    assert store.build_outcomes("m1", "b1") == {"ok": 3, "skipped": 5}


def test_scan_speed_is_way_over_time_and_not_across_a_hole(store: Store) -> None:
    filled(store, {1: [1e-4] * 5})
    store.write(Step(forecasts=[framed(1, 9, 1e-4, x_m=1.0), framed(1, 10, 1e-4, x_m=1.0 + 100e-6)], received_s=1001.0))
    row = sums(store, 1, "scan_speed_m_per_s")
    assert row["count"] == 5
    assert row["p50"] == pytest.approx(50e-6 / FRAME_S, rel=1e-9)
    assert row["p95"] == pytest.approx(np.quantile([0.8] * 4 + [1.6], 0.95), rel=1e-9)
    points = store.layer_points("m1", "b1", 1, 1, every=1).set_index("frame")
    assert np.isnan(points.loc[[0, 9], "scan_speed_m_per_s"]).all()
    assert points.loc[10, "scan_speed_m_per_s"] == pytest.approx(1.6, rel=1e-9)


def test_times_of_layers_and_between_them(store: Store) -> None:
    filled(store, {1: [1e-4], 2: [1e-4], 4: [1e-4]})
    assert sums(store, 1, "layer_time_s")["p50"] == 3.125
    assert sums(store, 1, "interlayer_time_s") is None
    assert sums(store, 2, "interlayer_time_s")["p50"] == 10.0
    assert sums(store, 4, "interlayer_time_s")["p50"] == 20.0, "asked alone it still knows the layer before"
    assert sums(store, 2, "observed_width_m")["count"] == 2
    assert sums(store, 2, "observed_width_m")["p50"] == pytest.approx(1.5e-4)
    assert sums(store, 2, "observed_depth_m") is None


def test_all_layers_at_once_are_those_one_by_one(store: Store) -> None:
    rng = np.random.default_rng(0)
    filled(store, {layer: rng.uniform(1e-4, 2e-4, 30).tolist() for layer in range(1, 6)})
    whole = store.layer_sums("m1", "b1", 1, 5)
    apart = pd.concat([store.layer_sums("m1", "b1", layer, layer) for layer in range(1, 6)], ignore_index=True)
    pd.testing.assert_frame_equal(whole, apart)
    assert len(whole) == 5 * (len(OF_FRAMES) + 1 + 1 + 1) + 4


def test_bins_are_means_and_points_are_frames(store: Store) -> None:
    widths = np.linspace(1e-4, 2e-4, 10).tolist()
    filled(store, {1: widths, 2: widths})
    bins = store.layer_bins("m1", "b1", 1, 1, every=4)
    assert bins["bin"].tolist() == [0, 1, 2]
    assert bins["frames"].tolist() == [4, 4, 2]
    np.testing.assert_allclose(bins["width_m"], [np.mean(widths[a:b]) for a, b in ((0, 4), (4, 8), (8, 10))])
    assert (bins["not_ok_share"] == 0).all()
    points = store.layer_points("m1", "b1", 1, 2, every=3)
    assert points["frame"].tolist() == [0, 3, 6, 9] * 2
    np.testing.assert_allclose(points["width_m"], [widths[n] for n in (0, 3, 6, 9)] * 2)
    np.testing.assert_allclose(points["z_m"], [4e-5] * 4 + [8e-5] * 4)
    np.testing.assert_allclose(points["x_m"][:4], np.array([0, 3, 6, 9]) * 50e-6)


def test_what_is_not_in_order_has_a_place_and_no_size(store: Store) -> None:
    filled(store, {1: [1e-4] * 4})
    store.write(Step(forecasts=[framed(1, 4, 9e-4, outcome=Outcome("residual"))], received_s=1001.0))
    last = store.layer_points("m1", "b1", 1, 1, every=1).iloc[-1]
    assert (last["outcome"], last["x_m"]) == ("residual", pytest.approx(4 * 50e-6))
    assert np.isnan(last["width_m"])
    (end,) = store.layer_bins("m1", "b1", 1, 1, every=10).itertuples()
    assert end.not_ok_share == pytest.approx(0.2)
    assert end.width_m == pytest.approx(1e-4)


def test_the_archive_has_a_row_a_build_the_newest_begun_first(store: Store) -> None:
    filled(store, {1: [1e-4], 2: [1e-4]})
    later = [case.heard(case.build("b2", 1, material="SS316L")), case.heard(case.layer(1, 9, name="b2"))]
    store.write(Step(later, alerts=[case.alert(), case.alert("gap", severity="high")], received_s=2000.0))
    end = Parameters(source="m1", sequence=9, time_s=50.0, build="b1", layer=2, sample_time_s=[50.0], x_m=[0.0],
                     y_m=[0.0], z_m=[0.0], beam_power_w=[0.0])  # fmt: skip
    store.write(Step([case.heard(end)], received_s=3000.0))
    rows = store.archive()
    assert rows["build"].tolist() == ["b2", "b1"]
    first = rows.set_index("build").loc["b1"]
    assert (first["layers"], first["layers_seen"], first["begun_s"], first["heard_s"]) == (9, 2, 1000.0, 3000.0)
    assert (first["part"], first["material"], first["alerts_high"], first["alerts_low"]) == ("bracket", "IN625", 1, 1)
    assert rows["running"].sum() == 1
    assert np.isnan(rows.set_index("build").loc["b2", "hatch_spacing_m"])
