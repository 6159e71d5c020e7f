"""Laws of attribution in the user's units: known causes are named, parts add up, the path is the forecast's own."""

import re
from dataclasses import replace

import numpy as np
import pytest

from operators import card
from operators.engine import Engine
from twin.attribution.attribution import Trace, explained, traced
from twin.attribution.because import Attribution, attribution, seconds, sentence, table
from twin.observation import Build, Path, Window
from twin.twin import Twin

FRAME_S, SPEED, POWER, D = 62.5e-6, 0.8, 195.0, 100e-6
NAME = "asno-melt-pool"


def build(**fields: object) -> Build:
    constant = {
        "material": "IN625", "beam_diameter_m": D, "layer_thickness_m": 40e-6, "nominal_beam_power_w": POWER,
        "nominal_scan_speed_m_per_s": SPEED, "frame_s": FRAME_S,
    }  # fmt: skip
    return Build(source="m", sequence=0, time_s=0.0, build="b", **(constant | fields))  # type: ignore[arg-type]


def windows(
    powers: list[float], headings: list[float] | None = None, speeds: list[float] | None = None
) -> list[Window]:
    """A frame of each power, one after the other."""
    out, x, y = [], 0.0, 0.0
    for n, power in enumerate(powers):
        heading = headings[n] if headings else 0.0
        far = (speeds[n] if speeds else SPEED) * FRAME_S
        xs, ys = np.array([x, x + far * np.cos(heading)]), np.array([y, y + far * np.sin(heading)])
        path = Path(np.array([n, n + 1]) * FRAME_S, xs, ys, np.zeros(2), np.full(2, power))
        out.append(Window("m", "b", 1, n, n * FRAME_S, (n + 1) * FRAME_S, path))
        x, y = float(xs[1]), float(ys[1])
    return out


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(*card.load(NAME))


def trace(
    engine: Engine, told: list[Window], lead: int = 0, constant: Build | None = None, absorbs: float = 1.0
) -> Trace:
    of = constant or build()
    found = Twin(engine).retrace(told, lambda machine, name: of, absorbs)
    return traced(
        found.observed, found.ahead.get(lead), found.stream, found.process, nominal_power_w=of.nominal_beam_power_w,
        nominal_speed_m_per_s=of.nominal_scan_speed_m_per_s, frame_s=of.frame_s, lead_s=lead * of.frame_s,
        absorbs=found.absorbs,
    )  # fmt: skip


def why(engine: Engine, told: list[Window], of: str = "depth", lead: int = 0, absorbs: float = 1.0) -> Attribution:
    path = trace(engine, told, lead, absorbs=absorbs)
    return explained(engine.gradients(), path, of, (28, 12, 3))[0]  # type: ignore[arg-type]


def test_the_path_is_the_engines(engine: Engine) -> None:
    told = windows([195.0] * 6 + [0.0] * 3 + [210.0] * 5, headings=[0.3] * 9 + [1.2] * 5)
    Twin(engine).advance(told, lambda machine, name: build(), 0.0)
    past = engine._past["m/b/1"]
    np.testing.assert_allclose(trace(engine, told).rows[:, :5], past, atol=1e-12)
    engine.forget("m/b/1")


def test_a_retrace_touches_no_stream(engine: Engine) -> None:
    trace(engine, windows([195.0] * 4))
    assert not engine._past


def test_a_step_of_power_is_named_with_its_moment(engine: Engine) -> None:
    told = why(engine, windows([POWER] * 20 + [240.0] * 6))
    first = told.events()[0]
    assert (first.cause, first.what) == ("power", "the power of 240 W instead of 195 W")
    assert first.begin_s == pytest.approx(-6 * FRAME_S)
    assert first.brings == pytest.approx(told.difference, rel=0.03)
    assert told.difference > 2e-6
    said = sentence(told)
    assert "deeper than at nominal parameters" in said
    assert "of the extra depth comes from the power of 240 W instead of 195 W since 0.38 ms ago" in said
    assert "um deeper" in said
    assert sentence(replace(told, value=1.2e-3)).startswith("Depth now: 1.2 mm, "), "DED's sizes are told in mm"


def test_a_turn_is_named_with_its_moment(engine: Engine) -> None:
    """A hairpin: the track before heats the one of now."""
    told = why(engine, windows([POWER] * 30, headings=[np.pi] * 22 + [np.pi / 2] * 2 + [0.0] * 6), "width")
    assert {event.cause for event in told.events()} == {"direction"}
    newest = max(told.events(), key=lambda event: event.end_s)
    assert newest.end_s == pytest.approx(-6 * FRAME_S)
    assert "the turn by" in sentence(told)


def test_a_slow_stretch_is_named(engine: Engine) -> None:
    told = why(engine, windows([POWER] * 26, speeds=[SPEED] * 18 + [0.6] * 8))
    assert told.events()[0].cause == "scan speed"
    assert told.events()[0].brings > 0
    assert "the scan speed of 600 mm/s instead of 800 mm/s" in sentence(told)


def test_parts_add_up_to_the_difference(engine: Engine) -> None:
    told = why(engine, windows([POWER] * 10 + [150.0] * 6 + [230.0] * 8, headings=[0.8] * 14 + [0.0] * 10), lead=8)
    assert told.lead_s == pytest.approx(8 * FRAME_S)
    assert told.brings.sum() == pytest.approx(told.difference, abs=0.02 * abs(told.difference) + 1e-8)
    assert told.defect < 0.05
    rows = table(told, FRAME_S)
    total = sum(float(row[name]) for row in rows for name in ("power", "scan speed", "direction"))
    assert total == pytest.approx(1e6 * told.brings.sum(), rel=1e-6)
    assert rows[0]["to"] == "in 0.5 ms"


@pytest.mark.parametrize(
    ("powers", "speeds"),
    [
        ([POWER] * 20 + [240.0] * 8, [SPEED] * 20 + [0.98] * 8),  # one against the other
        ([POWER] * 20 + [260.0] * 8, [SPEED] * 4 + [SPEED + 0.012 * n for n in range(24)]),  # against many small ones
    ],
)
def test_what_nearly_cancels_is_told_by_its_amounts(engine: Engine, powers: list[float], speeds: list[float]) -> None:
    """No share beyond the whole is told, and amounts add up to the difference."""
    told = why(engine, windows(powers, speeds=speeds))
    said = sentence(told)
    assert abs(told.difference) < 0.7 * np.abs(told.brings).sum(), "the case nearly cancels"
    assert "%" not in said
    assert "It is made of +" in said
    amounts = [float(each) for each in re.findall(r"([+-][\d.]+) um", said)]
    assert len(amounts) >= 2
    assert sum(amounts) == pytest.approx(1e6 * told.difference, abs=0.1 * sum(map(abs, amounts)))


def test_what_sensors_say_is_absorbed_is_no_doing_of_power_or_speed(engine: Engine) -> None:
    """A machine that absorbs seven eighths of what the rule says: at nominal parameters nothing is to be explained, and
    a step of power has brought all that there is."""
    still = why(engine, windows([POWER] * 26), absorbs=0.875)
    assert abs(still.difference) < 1e-9
    assert still.value < why(engine, windows([POWER] * 26)).value - 2e-6, "the machine does absorb less"
    told = why(engine, windows([POWER] * 20 + [240.0] * 6), absorbs=0.875)
    assert np.abs(told.brings[:, 1]).max() < 1e-9
    assert told.events()[0].brings == pytest.approx(told.difference, rel=0.03)
    assert "all else" not in sentence(told)


@pytest.mark.parametrize(
    ("value_s", "said"),
    [(0.0999999, "100 ms"), (0.104, "0.1 s"), (123.0, "120 s"), (62e-6, "62 us"), (9.96e-3, "10 ms")],
)
def test_times_are_told_in_plain_figures(value_s: float, said: str) -> None:
    assert seconds(value_s) == said


def test_what_is_planned_is_said_to_be_ahead(engine: Engine) -> None:
    told = windows([POWER] * 20)
    end, x = told[-1].end_s, float(told[-1].path.x_m[-1])
    times = np.array([0.0, 4.0, 8.0]) * FRAME_S
    plan = Path(end + times, x + SPEED * times, np.zeros(3), np.zeros(3), np.array([POWER, 150.0, 150.0]))
    told[-1] = replace(told[-1], plan=plan)
    found = why(engine, told, lead=8)
    assert found.events()[0].begin_s == pytest.approx(4 * FRAME_S)
    assert found.difference < 0
    assert "the power of 150 W instead of 195 W planned from 0.25 ms ahead on" in sentence(found)


def test_nominal_parameters_leave_nothing_to_explain_but_what_it_hangs_on(engine: Engine) -> None:
    told = why(engine, windows([POWER] * 30))
    assert told.events() == []
    assert abs(told.difference) < 1e-9
    said = sentence(told)
    assert "as at nominal parameters" in said
    assert "1 % more power would make it" in said
    assert told.by_percent.sum(0)[0] > 0 > told.by_percent.sum(0)[1], "power deepens, speed does not"


@pytest.mark.parametrize("of", ["depth", "width", "length"])
def test_what_a_percent_does_is_what_asking_again_says(engine: Engine, of: str) -> None:
    """1 % more power in every moment, through the whole chain; and the size is the one that the twin forecasts, but for
    its largest section being taken smoothly (`operators.attribution.contour`)."""
    told = why(engine, windows([POWER] * 24), of)
    low, high = (why(engine, windows([factor * POWER] * 24), of).value for factor in (0.9975, 1.0025))
    assert told.by_percent[:, 0].sum() == pytest.approx((high - low) / 0.5, rel=0.03)
    forecast = Twin(engine).advance(windows([POWER] * 24), lambda machine, name: build(), 0.0)[0][-1]
    engine.forget("m/b/1")
    assert told.value == pytest.approx(getattr(forecast.leads[0].melt_pool, f"{of}_m"), rel=0.05)


def test_a_wider_beam_and_a_warmer_plate_are_told(engine: Engine) -> None:
    told = why(engine, windows([POWER] * 24), "length")
    assert told.by_preheat > 0
    assert 0 < abs(told.by_spot) < 0.1 * told.value


def test_json_holds_it(engine: Engine) -> None:
    import json

    told = why(engine, windows([POWER] * 12 + [170.0] * 6), "temperature")
    back = attribution(json.loads(json.dumps(told.row())))
    assert sentence(back) == sentence(told)
    assert back.events() == told.events()
