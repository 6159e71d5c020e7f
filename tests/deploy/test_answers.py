"""Laws of answers: what is asked is answered from what is stored, live forecasting first; what fails is not shown."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.answers import KIND, LOOK_S, REST, Answers, Attributions
from deploy.batch import Batch
from deploy.run import RunLoop
from ingest.order import Order
from ingest.source import FakeSource
from operators import card
from operators.attribution import faithful
from operators.engine import Engine
from operators.operator import FakeOperator
from tests.deploy.fakes import stretch
from twin.clock import FakeClock
from twin.sensors.following import Following
from twin.store.fake.store import FakeStore
from twin.twin import Twin

NAME = "asno-melt-pool"
FRAME_OF = {"machine": "m1", "build": "b", "layer": 1, "frame": 12}
GOOD = {"median": 0.97, "cases": 100}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(*card.load(NAME))


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """As if every map of the card had passed its test."""
    maps = {kind: {of: dict(GOOD) for of in ("depth", "width", "length", "temperature")} for kind in faithful.MAPS}
    told = {"wanted": faithful.WANTED, "maps": maps}
    monkeypatch.setattr(faithful, "measured", lambda *_: told)
    return maps


def ran(twin: Twin, clock: FakeClock, told: list[tuple[str, bytes]] | None = None) -> tuple[FakeStore, RunLoop]:
    store = FakeStore()
    source = FakeSource(told or stretch(20))
    answers = Answers(store, clock, {KIND: Attributions(store, twin)})
    loop = RunLoop(source, Order(), twin.advance, store, clock, Batch(5, 0.0, backlog=None), answers=answers)
    while loop.turn() or not source.exhausted:
        pass
    return store, loop


def ask(store: FakeStore, clock: FakeClock, **more: Any) -> int:
    now_s = clock.now_s()
    return store.ask(KIND, {**FRAME_OF, "of": "depth"} | more, who="Ada", now_s=now_s, deadline_s=now_s + 60)


def test_a_stored_frame_is_explained_between_two_turns(engine: Engine, passed: dict[str, Any]) -> None:
    clock = FakeClock(100.0)
    store, loop = ran(Twin(engine), clock)
    before = store.melt_pool("m1").to_csv()
    past = {name: rows.copy() for name, rows in engine._past.items()}
    number = ask(store, clock)
    clock.sleep_s(1.0)
    loop.turn()
    done = store.request(number)
    assert done is not None
    assert done.state == "done", done.error
    answer = done.answer
    assert answer is not None
    assert answer["shown"]
    assert answer["sentence"].startswith("Depth now: ")
    assert (answer["operator"], answer["faithfulness"]) == (NAME, GOOD)
    assert len(answer["table"]) > 2
    assert len(answer["spatial"]["surface"]) == len(answer["spatial"]["x_m"])
    assert store.melt_pool("m1").to_csv() == before
    assert {name: rows.tolist() for name, rows in engine._past.items()} == {n: r.tolist() for n, r in past.items()}
    assert len(loop.tally.answers_s) == 1
    engine.forget("m1/b/1")


def test_the_value_is_the_forecasts(engine: Engine, passed: dict[str, Any]) -> None:
    """The sizes that are explained are smooth ones, a little off those that are shown."""
    clock = FakeClock(100.0)
    store, loop = ran(Twin(engine), clock)
    rows = store.melt_pool("m1")
    shown = rows[(rows["frame"] == 12) & (rows["lead_s"] == 0)]["depth_m"].iloc[0]
    answer = Attributions(store, Twin(engine))({**FRAME_OF, "of": "depth"})
    assert answer["attribution"]["value"] == pytest.approx(shown, abs=0.06 * 100e-6)
    engine.forget("m1/b/1")


def test_a_stored_frame_is_explained_by_what_was_known_to_be_absorbed_then(
    engine: Engine, passed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sensors said four fifths in the run; the twin that answers, after it, knows nothing of that."""
    by_rule, _ = ran(Twin(engine), FakeClock(100.0))
    engine.forget("m1/b/1")
    with monkeypatch.context() as then:
        then.setattr(Following, "absorbs", lambda self, kin: 0.8)
        by_sensors, _ = ran(Twin(engine), FakeClock(100.0))
    row = by_sensors.absorptivity("m1").query("frame == 12").iloc[0]
    assert row.absorptivity == pytest.approx(0.8 * row.nominal_absorptivity)
    more, less = (
        Attributions(store, Twin(engine))(FRAME_OF)["attribution"]["value"] for store in (by_rule, by_sensors)
    )
    shown = by_sensors.melt_pool("m1").query("frame == 12 and lead_s == 0").depth_m.iloc[0]
    assert less == pytest.approx(shown, abs=0.06 * 100e-6)
    assert more - less > 2e-6
    engine.forget("m1/b/1")


def powered(watts: dict[int, float]) -> list[tuple[str, bytes]]:
    """A layer whose frames have other powers from some on."""
    out, frame, power = [], -1, 195.0
    for topic, payload in stretch(20):
        row = json.loads(payload)
        if row["kind"] == "parameters":
            frame += 1
            power = watts.get(frame, power)
            row["beam_power_w"] = [power] * len(row["beam_power_w"])
        out.append((topic, json.dumps(row).encode()))
    return out


@pytest.mark.parametrize("of", ["depth", "temperature"])
def test_a_forecast_that_was_withheld_is_not_explained(engine: Engine, passed: dict[str, Any], of: str) -> None:
    store, _ = ran(Twin(engine), FakeClock(100.0), powered({12: 5000.0, 13: 195.0}))
    answer = Attributions(store, Twin(engine))({**FRAME_OF, "of": of})
    assert not answer["shown"]
    assert answer["sentence"].startswith(
        "Not shown: the forecast of this frame was withheld, beam power 5,000 W, trained"
    )
    assert "attribution" not in answer
    assert Attributions(store, Twin(engine))({**FRAME_OF, "frame": 11})["shown"]
    engine.forget("m1/b/1")


def test_a_size_that_the_window_cuts_is_not_explained(
    engine: Engine, passed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twin.forecast.CUT", 0.1)
    store, _ = ran(Twin(engine), FakeClock(100.0))
    length, depth = (Attributions(store, Twin(engine))({**FRAME_OF, "of": of}) for of in ("length", "depth"))
    assert not length["shown"]
    assert length["withheld"].startswith("melt-pool length at least ")
    assert depth["shown"]
    engine.forget("m1/b/1")


def test_a_temperature_above_boiling_is_not_told(engine: Engine, passed: dict[str, Any]) -> None:
    """Peak temperatures there hang on what nobody has checked; sizes do not."""
    store, _ = ran(Twin(engine), FakeClock(100.0), powered({4: 380.0}))
    hot, deep = (Attributions(store, Twin(engine))({**FRAME_OF, "of": of}) for of in ("temperature", "depth"))
    assert not hot["shown"]
    assert "above boiling" in hot["sentence"]
    assert not any(sign.isdigit() for sign in hot["sentence"])
    assert "attribution" not in hot
    assert deep["shown"]
    engine.forget("m1/b/1")


def test_a_map_that_fails_its_test_is_not_shown(engine: Engine, passed: dict[str, Any]) -> None:
    clock = FakeClock(100.0)
    store, loop = ran(Twin(engine), clock)
    passed["parameter"]["width"]["median"] = 0.71
    passed["spatial"]["depth"]["median"] = 0.5
    of = Attributions(store, Twin(engine))
    answer = of({**FRAME_OF, "of": "width"})
    assert not answer["shown"]
    assert "fails its own test" in answer["sentence"]
    assert "0.71" in answer["sentence"]
    assert "table" not in answer
    half = of({**FRAME_OF, "of": "depth"})
    assert half["shown"]
    assert half["spatial"] is None
    assert "0.50" in half["spatial_withheld"]
    engine.forget("m1/b/1")


def test_maps_that_nobody_has_measured_are_not_shown(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faithful, "measured", lambda *_: {})
    store, _ = ran(Twin(engine), FakeClock(100.0))
    answer = Attributions(store, Twin(engine))(FRAME_OF)
    assert not answer["shown"]
    assert "nobody has measured" in answer["sentence"]
    engine.forget("m1/b/1")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"frame": 999}, "no frame 999"),
        ({"build": "other"}, "no build other"),
        ({"of": "colour"}, "no attribution of 'colour'"),
        ({"layer": 7}, "layer 7"),
    ],
)
def test_what_cannot_be_answered_says_why(
    engine: Engine, passed: dict[str, Any], more: dict[str, Any], why: str
) -> None:
    clock = FakeClock(100.0)
    store, loop = ran(Twin(engine), clock)
    number = ask(store, clock, **more)
    clock.sleep_s(1.0)
    loop.turn()
    done = store.request(number)
    assert done is not None
    assert done.state == "failed"
    assert why in done.error
    engine.forget("m1/b/1")


def test_another_kind_of_operator_is_not_attributed() -> None:
    store, _ = ran(Twin(FakeOperator()), FakeClock(100.0))
    with pytest.raises(Exception, match="only an ASNO's"):
        Attributions(store, Twin(FakeOperator()))(FRAME_OF)


def test_live_forecasting_comes_first() -> None:
    """After an answer the loop has nine times as long to itself."""
    clock, store = FakeClock(0.0), FakeStore()

    def slow(arguments: dict[str, Any]) -> dict[str, Any]:
        clock.sleep_s(0.2)
        return {}

    answers = Answers(store, clock, {KIND: slow})
    numbers = [ask(store, clock) for _ in range(2)]
    assert answers() == pytest.approx(0.2)
    began_s = clock.now_s()
    while answers() is None:
        clock.sleep_s(0.01)
    assert clock.now_s() - 0.2 - began_s >= REST * 0.2 - 1e-9
    assert [store.request(n).state for n in numbers] == ["done", "done"]  # type: ignore[union-attr]
    clock.sleep_s(REST * 0.2)
    assert answers() is None
    looked_s = clock.now_s()
    ask(store, clock)
    assert answers() is None, "it has just looked"
    clock.sleep_s(LOOK_S)
    assert answers() is not None
    assert clock.now_s() - looked_s < 1.0
