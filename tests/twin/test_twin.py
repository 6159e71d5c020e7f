"""The laws of the twin's one verb: a row for every window, and never a forecast that nothing stands behind."""

import math
from dataclasses import replace

import numpy as np
import pytest

from operators.melt_pool.trajectories import BOX
from operators.operator import FakeOperator, Look, Task
from twin.alarms.alarms import CALM_S
from twin.forecast import Alert, Forecast, Outcome
from twin.observation import Build, Frame, Path, Window
from twin.twin import Twin

FRAME_S = 62.5e-6
SPEED = 0.8
ENVELOPE = {name: list(bounds) for name, bounds in BOX.items()}


def build(**fields: object) -> Build:
    constant = {
        "material": "IN625", "beam_diameter_m": 100e-6, "layer_thickness_m": 40e-6, "nominal_beam_power_w": 195.0,
        "nominal_scan_speed_m_per_s": SPEED, "frame_s": FRAME_S,
    }  # fmt: skip
    return Build(source="m", sequence=0, time_s=0.0, build="b", **(constant | fields))  # type: ignore[arg-type]


def window(index: int, *, layer: int = 1, power_w: float = 195.0, speed: float = SPEED, **fields: object) -> Window:
    times = np.array([index, index + 0.5, index + 1]) * FRAME_S
    flat = np.zeros(3)
    path = Path(times, speed * times, flat, flat, np.full(3, power_w))
    told = {"machine": "m", "build": "b", "layer": layer, "index": index, "start_s": times[0], "end_s": times[-1]}
    return Window(path=path, **(told | fields))  # type: ignore[arg-type]


def twin(**fields: object) -> Twin:
    told = {"operator": FakeOperator("asno", ENVELOPE), "fallback": FakeOperator("reference")}
    return Twin(**(told | fields))  # type: ignore[arg-type]


def advanced(of: Twin, windows: list[Window], told: Build | None = None, now_s: float = 0.0) -> list[Forecast]:
    constant = told or build()
    return of.advance(windows, lambda machine, name: constant, now_s)[0]


def test_a_row_for_every_window_and_leads_from_the_newest() -> None:
    found = advanced(twin(horizon_frames=8), [window(n, sent_s=float(n)) for n in range(3)], now_s=7.0)
    assert [(f.frame, f.outcome.kind, f.operator, f.issued_s, f.sent_s) for f in found] == [
        (n, "ok", "asno", 7.0, float(n)) for n in range(3)
    ]
    assert [len(f.leads) for f in found] == [1, 1, 4]
    assert [lead.lead_s / FRAME_S for lead in found[2].leads] == pytest.approx([0, 2, 4, 8])
    for lead in found[2].leads:
        assert lead.time_s == pytest.approx(3 * FRAME_S + lead.lead_s)
        assert lead.x_m == pytest.approx(SPEED * lead.time_s), "without a plan the beam goes on as it was"
        assert min(lead.melt_pool.length_m, lead.melt_pool.width_m, lead.melt_pool.depth_m) > 0


def test_leads_follow_the_plan() -> None:
    end = FRAME_S
    x = SPEED * end
    corner = Path(
        np.array([end, end + 2 * FRAME_S, end + 4 * FRAME_S]), np.full(3, x), np.array([0.0, 8e-5, 8e-5]), np.zeros(3),
        np.array([195.0, 0.0, 0.0]),
    )  # fmt: skip
    leads = advanced(twin(horizon_frames=8), [window(0, plan=corner)])[0].leads
    assert [(lead.x_m, lead.y_m) for lead in leads] == [
        pytest.approx((x, 0.0)),
        pytest.approx((x, 8e-5)),
        pytest.approx((x, 8e-5)),
        pytest.approx((x, 8e-5)),
    ]
    areas = [lead.melt_pool.length_m for lead in leads]
    assert areas[1] > 0
    assert areas[3] < areas[1], "the plan turns the laser off"


def planned(*legs: tuple[float, float], frames: int = 4) -> Window:
    """The first window, and a plan along +x of (W, m/s) legs of so many frames each."""
    ends = FRAME_S * (1 + frames * np.arange(len(legs) + 1))
    x = SPEED * FRAME_S + np.concatenate([[0.0], np.cumsum([speed * frames * FRAME_S for _, speed in legs])])
    power = np.array([power for power, _ in legs] + [0.0])
    return window(0, plan=Path(ends, x, 0 * x, 0 * x, power))


def test_each_lead_tells_the_power_that_is_planned_at_its_end() -> None:
    leads = advanced(twin(horizon_frames=8), [planned((150.0, SPEED), (230.0, SPEED), frames=3)])[0].leads
    assert [round(lead.lead_s / FRAME_S) for lead in leads] == [0, 2, 4, 8]
    assert [lead.beam_power_w for lead in leads] == [195.0, 150.0, 230.0, 0.0]


@pytest.mark.parametrize(
    ("leg", "says"),
    [
        ((5000.0, SPEED), "planned from 4 frames ahead on: beam power 5,000 W, trained up to "),
        ((195.0, 8.0), "planned from 4 frames ahead on: scan speed 8 m/s, trained up to "),
    ],
)
def test_leads_end_where_the_plan_leaves_the_envelope(leg: tuple[float, float], says: str) -> None:
    """Nobody learned what follows; that the mean of the way there is inside makes it no better."""
    (found,) = advanced(twin(horizon_frames=8), [planned((195.0, SPEED), leg)])
    assert (found.outcome.kind, [round(lead.lead_s / FRAME_S) for lead in found.leads]) == ("ok", [0, 2, 4])
    assert found.evidence.startswith(says)
    assert [field.lead_s for field in found.fields] == [0.0, pytest.approx(4 * FRAME_S)]
    (now,) = advanced(twin(horizon_frames=8), [planned(leg, leg)])
    assert ([lead.lead_s for lead in now.leads], now.outcome.kind) == ([0.0], "ok")
    assert now.evidence.startswith("planned from now on: ")
    assert len(advanced(twin(operator=FakeOperator()), [planned(leg, leg)])[0].leads) == 4, "one without an envelope"


def test_the_fallback_follows_every_plan() -> None:
    outside = build(nominal_beam_power_w=5000.0)
    (found,) = advanced(twin(horizon_frames=8), [planned((5000.0, SPEED), (195.0, SPEED))], outside)
    assert (found.operator, len(found.leads), found.evidence) == ("reference", 4, "")


def test_one_at_a_time_is_all_at_once() -> None:
    windows = [window(n, power_w=150.0 + 10 * n) for n in range(5)]
    one, many = twin(), twin()
    alone = [advanced(one, [w])[0] for w in windows]
    together = advanced(many, windows)
    for a, b in zip(alone, together, strict=True):
        assert a.leads[0] == b.leads[0]
        assert (a.outcome, a.regime, a.keyhole_number) == (b.outcome, b.regime, b.keyhole_number)


@pytest.mark.parametrize(
    ("fields", "which", "unit", "frames"),
    [({"power_w": 5000.0}, "beam power", "W", 16), ({"speed": 0.01}, "scan speed", "m/s", 1)],
)
def test_outside_the_envelope_there_is_no_forecast(
    fields: dict[str, float], which: str, unit: str, frames: int
) -> None:
    """Nor while the field is what too much power has made; a slow frame leaves nothing that is not known."""
    found = advanced(twin(), [window(0), window(1, **fields), *(window(n) for n in range(2, 20))])
    assert [f.outcome.kind for f in found] == ["ok", *["outside_envelope"] * frames, *["ok"] * (19 - frames)]
    assert (found[1].outcome.which, found[1].outcome.unit) == (which, unit)
    assert found[1].leads == () == found[1].fields
    assert math.copysign(1, found[1].outcome.by) == (1 if which == "beam power" else -1)


def test_what_was_outside_counts_until_the_beam_has_left_its_heat_behind() -> None:
    """Eight diameters of travel, lit or dark; standing still leaves nothing behind, and a new layer begins cold."""
    mine = twin()
    (out,) = advanced(mine, [window(0, power_w=5000.0)])
    dark = [window(n, power_w=0.0, speed=0.0) for n in range(1, 30)]
    after = advanced(mine, [*dark, *(window(n) for n in range(30, 48))])
    assert [f.outcome for f in after[:-3]] == [out.outcome] * 44, "15 frames of half a diameter"
    assert [f.outcome.kind for f in after[-3:]] == ["ok"] * 3
    assert after[30].evidence.startswith(out.evidence + "; 1 beam diameters ago, ")
    assert all(f.leads == () for f in after[:-3])
    again = [window(48, power_w=5000.0), window(49, power_w=0.0, speed=15 * SPEED), window(50)]
    assert [f.outcome.kind for f in advanced(mine, again)] == ["outside_envelope", "outside_envelope", "ok"]
    begun = advanced(mine, [window(51, power_w=5000.0), window(0, layer=2)])
    assert [f.outcome.kind for f in begun] == ["outside_envelope", "ok"]


def test_the_heat_of_a_skipped_window_outside_counts_too() -> None:
    found = advanced(twin(), [window(0), window(1, power_w=5000.0, skipped=True), window(2)])
    assert [(f.frame, f.outcome.kind) for f in found] == [(0, "ok"), (2, "outside_envelope")]


def test_evidence_is_a_sentence_and_is_raised_once() -> None:
    mine, constant = twin(), build()
    raised = [a for n in range(3) for a in mine.advance([window(n, speed=0.01)], lambda m, b: constant, float(n))[1]]
    assert [a.raised for a in raised if a.kind == "outside_envelope"] == [True, False, False]
    assert raised[0].evidence.startswith("scan speed 0.01 m/s, trained down to 0.0")


def test_a_layer_planned_outside_is_the_fallbacks_from_its_first_window() -> None:
    planned = build(nominal_beam_power_w=5000.0)
    mine = twin()
    found = advanced(mine, [window(0, power_w=5000.0), window(1)], planned)
    assert [f.operator for f in found] == ["reference", "reference"]
    assert [f.outcome.kind for f in found] == ["outside_envelope", "ok"]
    assert all(f.leads for f in found)


@pytest.mark.parametrize("fields", [{"fallback": None}, {}])
def test_without_a_fallback_that_can_follow_there_is_none(fields: dict[str, None]) -> None:
    slow = build(nominal_scan_speed_m_per_s=0.01, nominal_beam_power_w=5000.0)
    found = advanced(twin(**fields), [window(0, power_w=5000.0)], slow)
    assert [(f.operator, f.outcome.kind, f.leads) for f in found] == [("asno", "outside_envelope", ())]


def test_a_window_with_a_gap_is_stale() -> None:
    found = advanced(twin(), [window(0), window(1, gap=True)])
    assert found[1].outcome.kind == "stale"
    assert found[1].outcome.by == pytest.approx(FRAME_S)
    assert found[1].leads == ()


class Broken(FakeOperator):
    def step(self, tasks: list[Task]) -> list[list[Look]]:
        return [[replace(look, theta=look.theta * np.nan) for look in looks] for looks in super().step(tasks)]


def test_what_is_not_a_number_is_not_told() -> None:
    found = advanced(twin(operator=Broken("asno", ENVELOPE)), [window(0)])
    assert found[0].outcome.kind == "non_finite"
    assert found[0].leads == () == found[0].fields


@pytest.mark.parametrize(
    ("fields", "says"), [({"material": "kryptonite"}, "kryptonite"), ({"preheat_k": 2500.0}, "solidus")]
)
def test_a_build_that_makes_no_process_is_said_and_stops_nothing(fields: dict[str, object], says: str) -> None:
    mine = twin()
    found = advanced(mine, [window(0)], build(**fields))
    assert found[0].outcome.kind == "outside_envelope"
    assert says in found[0].outcome.which
    assert found[0].leads == ()
    assert advanced(mine, [window(0)])[0].outcome.kind == "ok"


def test_a_layer_starts_cold_and_the_one_before_is_let_go_of() -> None:
    mine = twin()
    first = advanced(mine, [window(0), window(1)])
    again = advanced(mine, [window(0, layer=2), window(1, layer=2)])
    assert again[0].leads[0].melt_pool == first[0].leads[0].melt_pool
    assert again[1].leads[0].melt_pool == first[1].leads[0].melt_pool
    assert [operator.forgotten for operator in mine.serving] == [["m/b/1"]] * 2  # type: ignore[attr-defined]


def test_what_is_let_go_begins_anew_with_the_next_window() -> None:
    mine = twin()
    advanced(mine, [window(0), window(1)])
    mine.let_go([window(1)])
    assert mine.serving[0].forgotten == ["m/b/1"]  # type: ignore[attr-defined]
    cold = advanced(twin(), [window(2)])[0].leads[0].melt_pool
    assert advanced(mine, [window(2)])[0].leads[0].melt_pool == cold


def test_two_layers_in_one_step_are_two_steps_of_a_layer() -> None:
    one, many = twin(), twin()
    windows = [window(n, layer=layer) for layer in (1, 2) for n in range(3)]
    apart = [f for layer in (1, 2) for f in advanced(one, [w for w in windows if w.layer == layer])]
    together = advanced(many, windows)
    assert [f.leads[0].melt_pool for f in apart] == [f.leads[0].melt_pool for f in together]


class Noting(FakeOperator):
    def step(self, tasks: list[Task]) -> list[list[Look]]:
        self.told = [*getattr(self, "told", []), *tasks]
        return super().step(tasks)


@pytest.mark.parametrize("card", [ENVELOPE, None])
@pytest.mark.parametrize("far_m", [0.5, 800.0])
def test_a_stretch_faster_than_any_beam_that_melts_heats_nothing_and_is_said(
    card: dict[str, list[float]] | None, far_m: float
) -> None:
    """An encoder that jumps, or a place in mm: what an operator must follow stays bounded."""
    mine = twin(operator=Noting("asno", card))
    jump = window(1)
    jump.path.x_m[:] = [jump.path.x_m[0], far_m, far_m]
    found = advanced(mine, [window(0), jump, window(2)])
    assert [f.outcome.kind for f in found] == ["ok", "outside_envelope", "ok"]
    assert (found[1].outcome.which, found[1].outcome.unit) == ("scan speed", "m/s")
    assert found[1].leads == ()
    operator = mine.serving[0]
    assert isinstance(operator, Noting)
    heats = [rows[:, 3] for rows in operator.told[0].observed]
    assert heats[1][0] == 0.0 < heats[1][1]
    assert (np.concatenate([heats[0], heats[2]]) > 0).all()


def test_a_galvanometers_jump_with_the_laser_off_is_no_stray() -> None:
    jump = window(1)
    jump.path.x_m[:] = [jump.path.x_m[0], 0.5, 0.5]
    jump.path.beam_power_w[:2] = 0.0
    assert [f.outcome.kind for f in advanced(twin(), [window(0), jump])] == ["ok", "ok"]


class Counting(FakeOperator):
    steps: tuple[int, ...] = ()

    def step(self, tasks: list[Task]) -> list[list[Look]]:
        self.steps += (len(tasks),)
        return super().step(tasks)


def test_all_streams_of_a_step_are_one_batch() -> None:
    counting = Counting("asno", ENVELOPE)
    found, _ = twin(operator=counting).advance(
        [window(n, machine=name) for n in range(2) for name in "abc"], lambda m, b: build(), 0.0
    )
    assert counting.steps == (3,)
    assert [(f.machine, f.frame) for f in found] == [(name, n) for name in "abc" for n in range(2)]


def test_with_the_laser_off_there_is_no_regime() -> None:
    found = advanced(twin(), [window(0), window(1, power_w=0.0)])
    assert found[0].regime is not None
    assert (found[1].laser_on, found[1].regime, found[1].keyhole_number) == (False, None, None)
    assert found[1].outcome.kind == "ok"


def test_snapshots_are_of_now_and_of_the_horizon() -> None:
    found = advanced(twin(snapshot_frames=2), [window(n) for n in range(5)])
    assert [len(f.fields) for f in found] == [1, 0, 1, 0, 2]
    now, horizon = found[4].fields
    assert (now.lead_s, horizon.lead_s) == (0.0, pytest.approx(8 * FRAME_S))
    assert (now.time_s, now.issued_s) == (pytest.approx(5 * FRAME_S), 0.0)
    assert horizon.time_s == pytest.approx(13 * FRAME_S)
    assert now.temperature_k.shape == (len(now.x_m), len(now.y_m), len(now.z_m))
    assert now.temperature_k.min() >= 298.0


def test_one_alert_for_one_cause_until_it_is_gone() -> None:
    mine, constant = twin(), build()
    raised = []
    for n in range(4):  # a keyhole in layer after layer, and 1 s between
        raised += mine.advance([window(0, layer=n, power_w=270.0)], lambda m, b: constant, float(n))[1]
    assert {(a.kind, a.layer, a.first_seen_s, a.cleared_s) for a in raised} == {("keyhole", 0, 0.0, None)}
    assert [a.last_seen_s for a in raised] == [0.0, 1.0, 2.0, 3.0]
    calm = [window(n, layer=9, power_w=60.0) for n in range(2)]
    assert mine.advance(calm[:1], lambda m, b: constant, 3.0 + CALM_S)[1] == []
    (gone,) = mine.advance(calm[1:], lambda m, b: constant, 3.1 + CALM_S)[1]
    assert (gone.kind, gone.last_seen_s, gone.cleared_s) == ("keyhole", 3.0, 3.1 + CALM_S)
    (again,) = mine.advance([window(2, layer=9, power_w=270.0)], lambda m, b: constant, 50.0)[1]
    assert (again.layer, again.first_seen_s, again.cleared_s) == (9, 50.0, None)


def test_machines_do_not_share_anything() -> None:
    mine, constant = twin(), build()
    both = [window(n, machine=name, power_w=p) for n in range(3) for name, p in (("a", 195.0), ("z", 100.0))]
    found, _ = mine.advance(both, lambda m, b: constant, 0.0)
    alone = advanced(twin(), [window(n, machine="z", power_w=100.0) for n in range(3)])
    assert [f.leads[0].melt_pool for f in found if f.machine == "z"] == [f.leads[0].melt_pool for f in alone]


def test_each_machine_is_forecast_by_the_operator_that_it_has() -> None:
    other = FakeOperator("other", ENVELOPE)
    mine = twin(operators={"m2": other})
    found = advanced(mine, [window(0), window(0, machine="m2"), window(0, machine="m3")])
    assert {f.machine: f.operator for f in found} == {"m": "asno", "m2": "other", "m3": "asno"}
    assert [operator.card["name"] for operator in mine.serving] == ["asno", "other", "reference"]
    planned = build(nominal_beam_power_w=5000.0)
    narrow = twin(operators={"m2": FakeOperator("wide")})
    found = advanced(narrow, [window(0, layer=2), window(0, machine="m2", layer=2)], planned)
    assert {f.machine: f.operator for f in found} == {"m": "reference", "m2": "wide"}, "each by its own envelope"


def test_a_second_opinion_shares_operators_and_no_heat_and_warns_of_nothing() -> None:
    alone, shared = twin(), FakeOperator("asno", ENVELOPE)
    record, second = twin(operator=shared), twin(operator=shared, opinion="asno")
    constant = build()
    for n in range(4):
        told = [window(n, speed=0.01 if n == 2 else SPEED)]
        before = alone.advance(told, lambda m, b: constant, float(n))
        first = record.advance(told, lambda m, b: constant, float(n))
        other, alerts = second.advance(told, lambda m, b: constant, float(n))
        forecasts = [[replace(f, opinion="", fields=()) for f in each] for each in (before[0], first[0], other)]
        assert forecasts[0] == forecasts[1] == forecasts[2]
        assert (first[1], alerts) == (before[1], [])
        assert [forecast.opinion for forecast in other] == ["asno"]


class Keeping(FakeOperator):
    """Says of each look what it is told to."""

    def __init__(self, defect: float | None = None, absorbs: float | None = None, pictures: int = 0) -> None:
        super().__init__("keeping", ENVELOPE)
        self.says = {"defect": defect, "absorbs": absorbs, "pictures": pictures}
        self.tasks: list[Task] = []

    def step(self, tasks: list[Task]) -> list[list[Look]]:
        self.tasks += tasks
        return [[replace(look, **self.says) for look in looks] for looks in super().step(tasks)]


@pytest.mark.parametrize(("defect", "kind"), [(1e-6, "ok"), (-2e-5, "residual"), (None, "ok")])
def test_a_ledger_that_does_not_close_is_told_and_not_withheld(defect: float | None, kind: str) -> None:
    mine, constant = twin(operator=Keeping(defect)), build()
    (found,), alerts = mine.advance([window(0)], lambda m, b: constant, 1.0)
    assert (found.outcome.kind, found.ledger_defect) == (kind, defect)
    assert found.leads
    residual = [alert.evidence for alert in alerts if alert.kind == "residual"]
    assert residual == (["0.002 % of the absorbed heat is too much"] if kind == "residual" else [])


class Long(FakeOperator):
    """A pool half a diameter wide whose tail grows by so many diameters on each of travel."""

    def __init__(self, begin: float, by: float) -> None:
        super().__init__("long", ENVELOPE)
        self.begin, self.by = begin, by

    def _look(self, now: tuple[float, float], rows: np.ndarray) -> Look:
        x, y, z = self.grid.points
        tail = self.begin + self.by * float(rows[-1, 1])
        return Look(2.0 * ((-x < tail) & (x < 0.3) & (abs(y) < 0.25) & (z < 0.25)), float(rows[-1, 1]), 0.0, 0.0)


def test_a_melt_pool_that_the_window_cuts_is_outside_by_its_length_and_keeps_its_other_sizes() -> None:
    (found,) = advanced(twin(operator=Long(17.9, 0.0)), [window(0)])
    outcome = found.outcome
    assert (outcome.kind, outcome.which, outcome.unit) == ("outside_envelope", "melt-pool length", "m")
    assert 0 < outcome.by < 1e-4
    assert found.evidence == "melt-pool length at least 1,755 µm, the window holds 1,710 µm"
    assert [lead.band for lead in found.leads] == [None] * 4
    assert all(lead.melt_pool.depth_m > 0 < lead.melt_pool.width_m for lead in found.leads)
    (held,) = advanced(twin(operator=Long(15.0, 0.0)), [window(0)])
    assert (held.outcome.kind, held.evidence) == ("ok", "")


def test_leads_end_before_the_window_cuts_the_melt_pool() -> None:
    (found,) = advanced(twin(operator=Long(14.0, 0.8), horizon_frames=8), [window(0)])
    assert (found.outcome.kind, [round(lead.lead_s / FRAME_S) for lead in found.leads]) == ("ok", [0, 2, 4])
    assert found.evidence.startswith("melt-pool length at least 1,7")
    assert found.evidence.endswith(" µm, the window holds 1,710 µm, 0.0005 s ahead; no forecast of that")


def test_what_is_inferred_is_told_over_what_the_rule_says_while_the_beam_is_on() -> None:
    mine = twin(operator=Keeping(0.0, absorbs=1.25, pictures=10))
    on, off = advanced(mine, [window(0), window(1, power_w=0.0)])
    assert on.absorbed is not None
    assert on.absorbed.absorptivity == pytest.approx(1.25 * on.absorbed.nominal)
    assert 0.3 < on.absorbed.nominal < 0.8, "by the rule, as the build says none"
    assert on.absorbed.camera_frames == 10
    assert off.absorbed is None
    told = advanced(twin(operator=Keeping(0.0, absorbs=1.5)), [window(0)], build(absorptivity=0.8))[0].absorbed
    assert told is not None
    assert (told.nominal, told.absorptivity, told.camera_frames) == (0.8, 1.0, 0), "no more than all of it"
    assert advanced(twin(), [window(0)])[0].absorbed is None


def test_pictures_come_to_the_operator_in_its_units_and_only_those_that_it_can_read() -> None:
    asked = Keeping()
    told = {
        "source": "m", "build": "b", "layer": 1, "rows": 2, "columns": 3, "pixel_m": 25e-6, "exposure_s": 1e-5,
        "sensor_min": 700.0, "sensor_max": 2000.0, "rotation_rad": 0.5, "x_m": 50e-6,
    }  # fmt: skip
    pixels = np.array([298.15, 1623.15, 800, 900, 1000, 1100], np.float32)
    frames = (
        Frame(sequence=0, time_s=0.5 * FRAME_S, quantity="temperature_k", value=pixels, **told),
        Frame(sequence=1, time_s=0.6 * FRAME_S, quantity="intensity", unit="counts", value=pixels, **told),
        Frame(sequence=2, time_s=0.7 * FRAME_S, quantity="temperature_k", centre_from="machine", value=pixels, **told),
    )
    advanced(twin(operator=asked), [window(0, frames=frames)])
    (picture,) = asked.tasks[0].pictures
    assert picture.theta.shape == (2, 3)
    assert picture.theta[0, :2] == pytest.approx([0.0, 1.0], abs=1e-3), "of IN625: 0 at the build temperature, 1 molten"
    assert (picture.pixel, picture.x, picture.turn) == (pytest.approx(0.25), pytest.approx(0.5), 0.5)
    assert picture.low < picture.theta[1, 0] < picture.high
    rows = asked.tasks[0].observed[0]
    assert picture.time == pytest.approx(0.5 * rows[-1, 0])
    assert asked.tasks[0].stream.kin == "m/b"
    advanced(twin(operator=asked, opinion="keeping"), [window(0, frames=frames)])
    assert asked.tasks[1].stream.kin != "m/b", "what two twins infer by one operator is not mixed"
    assert asked.tasks[0].stream.scales.rise == pytest.approx(1325 / 1500, rel=1e-3)


def test_a_skipped_window_has_no_forecast_and_its_heat_stays() -> None:
    windows = [window(n, power_w=150.0 + 10 * n) for n in range(12)]
    whole = {f.frame: f for f in advanced(twin(), windows)}
    passed = [replace(w, skipped=w.index < 8 and w.index != 3) for w in windows]
    found = advanced(twin(), passed)
    assert [f.frame for f in found] == [3, 8, 9, 10, 11]
    for forecast in found:
        mine, all_of_them = forecast.leads[0].melt_pool, whole[forecast.frame].leads[0].melt_pool
        assert mine.width_m == pytest.approx(all_of_them.width_m, rel=1e-6)


def test_a_layer_of_which_all_was_skipped_says_nothing() -> None:
    of = twin()
    assert advanced(of, [window(n, skipped=True) for n in range(5)]) == []
    assert [f.frame for f in advanced(of, [window(5)])] == [5]


def test_what_the_times_said_is_the_outcome_of_the_frame_and_keeps_its_sizes() -> None:
    told = Outcome("clock_skew", "process time", -10.7, "s")
    (forecast,) = advanced(twin(), [window(0, told=told)])
    assert forecast.outcome == told
    assert forecast.leads


def test_alerts_of_an_earlier_run_are_updated_and_cleared() -> None:
    of = twin()
    old = Alert("m", "b", "keyhole", "medium", 1, None, None, 1.0, 2.0, "then", "look")
    of.take_up([old])
    _, alerts = of.advance([window(0)], lambda machine, name: build(), 100.0)
    assert [(a.kind, a.first_seen_s, a.cleared_s) for a in alerts] == [("keyhole", 1.0, 100.0)]
