"""What the watch says of messages: silence of a sensor, gaps, births, why the twin waits; raised once, then cleared."""

import numpy as np

from twin.forecast import Alert
from twin.observation import Birth, Gap, Observation, Path, Signal, Window
from twin.watch import CALM_S, FEWEST_FRAMES, SILENT, Watch

FRAME_S = 0.01


def signal(n: int, time_s: float, name: str = "melt_pool_width_m") -> Observation:
    message = Signal(
        source="m",
        sequence=n,
        time_s=time_s,
        build="b",
        layer=3,
        name=name,
        sample_time_s=[time_s],
        value=[1e-4],  # type: ignore[arg-type]
    )
    return Observation("hall", "m", message)


def window(index: int, power_w: float = 200.0) -> Window:
    times = np.array([index, index + 1]) * FRAME_S
    flat = np.zeros(2)
    path = Path(times, flat, flat, flat, np.full(2, power_w))
    return Window("m", "b", 3, index, float(times[0]), float(times[1]), path)


def step(watch: Watch, now_s: float, **said: object) -> list[Alert]:
    told = {"observations": [], "windows": [], "gaps": [], "births": [], "waits": {}} | said
    return watch.step(**told, now_s=now_s)  # type: ignore[arg-type]


def spoken(watch: Watch, frames: int, every: int = 1) -> None:
    """A sensor that gave a sample every so many frames."""
    signals = [signal(n, n * FRAME_S) for n in range(0, frames, every)]
    assert step(watch, 0.0, observations=signals, windows=[window(n) for n in range(frames)]) == []


def silent_after(watch: Watch, begin: int, power_w: float = 200.0, most: int = 400) -> int | None:
    for n in range(begin, begin + most):
        if any(a.kind == "silence_melt_pool_width_m" for a in step(watch, 1.0, windows=[window(n, power_w)])):
            return n - begin
    return None


def test_a_sensor_is_silent_after_eight_of_its_own_intervals() -> None:
    for every in (1, 10):
        watch = Watch()
        spoken(watch, 200, every)
        frames = silent_after(watch, 200)
        assert frames is not None
        assert abs(frames - max(SILENT * every, FEWEST_FRAMES)) <= every + 1


def test_with_the_laser_off_no_sensor_is_silent() -> None:
    watch = Watch()
    spoken(watch, 200)
    assert silent_after(watch, 200, power_w=0.0) is None


def test_a_sensor_of_unknown_cadence_is_not_silent() -> None:
    watch = Watch()
    spoken(watch, 4)
    assert silent_after(watch, 4) is None


def test_silence_is_one_alert_that_is_cleared_when_the_sensor_speaks() -> None:
    watch = Watch()
    spoken(watch, 100)
    told = [a for n in range(100, 300) for a in step(watch, n / 10, windows=[window(n)])]
    assert len({a.key for a in told}) == 1
    assert sum(a.raised for a in told) == 1
    assert (told[0].layer, told[0].severity) == (3, "medium")
    assert "melt_pool_width_m" in told[0].evidence
    after = step(watch, 300 / 10 + CALM_S, observations=[signal(300, 300 * FRAME_S)], windows=[window(300)])
    assert [a.cleared_s for a in after] == [300 / 10 + CALM_S]


def test_gaps_and_births_are_told_with_what_they_are() -> None:
    watch = Watch()
    spoken(watch, 10)
    told = step(
        watch, 1.0, gaps=[Gap("m", "m", "parameters", 5, 9, 1.0)], births=[Birth("m", "m", 1, "state", 0, "why", 1.0)]
    )
    assert {a.kind: a.evidence for a in told} == {
        "gap": "parameters 5 to 9 of m never came",
        "birth": "m, life 2: why",
    }


def test_why_the_twin_waits_is_told_of_every_machine_and_cleared_when_it_goes_on() -> None:
    watch = Watch()
    spoken(watch, 10)
    first = step(watch, 1.0, waits={"broker": "the broker has not answered for 2 s"})
    assert [(a.kind, a.machine, a.raised) for a in first] == [("broker", "m", True)]
    assert step(watch, 1.1, waits={"broker": "the same"}) == [], "not at every turn"
    assert [a.cleared_s for a in step(watch, 5.0)] == [5.0]


def test_alerts_of_an_earlier_run_are_gone_on_with() -> None:
    watch = Watch()
    old = Alert("m", "b", "gap", "low", 3, None, None, 1.0, 2.0, "then", "look")
    watch.take_up([old])
    spoken_again = watch.step([signal(0, 0.0)], [], [Gap("m", "m", "plan", 1, 1, 50.0)], [], {}, 50.0)
    assert [(a.first_seen_s, a.last_seen_s, a.evidence) for a in spoken_again] == [
        (1.0, 50.0, "plan 1 to 1 of m never came")
    ]


def test_two_sources_in_one_layer_and_a_frame_that_failed_are_told() -> None:
    alerts = Watch().step([], [], [], [], {}, 5.0, doubled=[("m", "a and c both say")])
    assert [(a.machine, a.kind, a.severity, a.evidence) for a in alerts] == [
        ("m", "doubled", "medium", "a and c both say")
    ]
