"""The laws of the metrics and families by which trust is measured, and the suite at smoke size."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators import card
from tests.validation.harness.rows import Results
from tests.validation.trust import asked, families, measure, metrics, page, suite
from twin.forecast import OK, Band, MeltPool
from twin.process import Process
from twin.query import Answer
from twin.regime import regime
from twin.trust.calibrate import tracks
from twin.trust.calibrate.draws import ALLOYS, BLOCK, ENVELOPE, ISSUED_FAR, LEADS, REGIMES, SHIFTS, STRATA, Draw, drawn
from twin.trust.calibrate.looks import path
from twin.trust.calibrate.readings import as_path, departures, envelope, reported
from twin.trust.calibrate.tracks import Track
from twin.trust.calibrated import SCORES, Calibrated, calibrated
from twin.trust.envelope import outside
from twin.trust.followed import TOLERATED
from twin.trust.judge import ALARM

VALUES = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=20).map(np.array)


@given(VALUES, VALUES)
def test_auroc_is_how_often_outside_is_above_inside(inside: np.ndarray, outside: np.ndarray) -> None:
    pairs = [(o > i) + 0.5 * (o == i) for i in inside for o in outside]
    assert metrics.auroc(inside, outside) == pytest.approx(np.mean(pairs))


@given(VALUES, VALUES)
def test_aupr_and_fpr_are_those_of_their_definitions(inside: np.ndarray, outside: np.ndarray) -> None:
    area, before = 0.0, 0
    for level in sorted({*inside, *outside}, reverse=True):
        hit, false = int((outside >= level).sum()), int((inside >= level).sum())
        area += (hit - before) / len(outside) * hit / (hit + false)
        before = hit
    assert metrics.aupr(inside, outside) == pytest.approx(area)
    levels = [level for level in outside if (outside >= level).mean() >= 0.95]
    assert metrics.fpr95(inside, outside) == pytest.approx((inside >= max(levels)).mean())


def test_ranks_agree_and_an_interval_of_a_share_holds_it_as_often_as_it_says() -> None:
    x = np.random.default_rng(0).normal(size=50)
    assert metrics.spearman(x, np.exp(x)) == pytest.approx(1.0)
    assert metrics.spearman(x, -(x**3)) == pytest.approx(-1.0)
    assert metrics.spearman(x, np.zeros(50)) == 0.0
    assert metrics.interval(90, 100) == (pytest.approx(0.8238, abs=1e-3), pytest.approx(0.9510, abs=1e-3))
    assert metrics.interval(0, 10) == (0.0, pytest.approx(0.3085, abs=1e-3))
    counts = np.random.default_rng(1).binomial(60, 0.9, 400)
    held = [low <= 0.9 <= high for low, high in (metrics.interval(int(c), 60) for c in counts)]
    assert np.mean(held) >= 0.93


def test_draws_are_the_same_again_balanced_and_inside_the_envelope_at_every_frame() -> None:
    block = [drawn(n) for n in range(BLOCK)]
    assert [drawn(n).rows[-1].tolist() for n in (3, 17)] == [block[n].rows[-1].tolist() for n in (3, 17)]
    for stratum in STRATA:
        mine = [draw for draw in block if draw.stratum == stratum]
        assert sorted(draw.regime for draw in mine) == sorted(2 * REGIMES)
    for kind in REGIMES:
        far = [draw for draw in block if draw.far and draw.regime == kind]
        assert 2 <= len(far) / REGIMES.count(kind) <= 3, "of five with events"
        assert all(len(draw.stretches) == draw.issued + LEADS[-1] + 1 > ISSUED_FAR[0] for draw in far)
        assert all(draw.issued <= ISSUED_FAR[1] for draw in far)
    for draw in block:
        if isinstance(draw.process, Process):
            assert envelope(draw) <= 0
            for stretch in (each for each in draw.stretches if each.level > 0):
                assert ENVELOPE["peclet"][0] <= draw.stream.peclet * stretch.pace <= ENVELOPE["peclet"][1]


def test_fields_of_draws_that_would_be_others_now_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    solved: list[int] = []

    def solve(draw: Draw) -> Track:
        solved.append(draw.number)
        return Track(draw, np.zeros((len(LEADS), 2, 2, 2), np.float16), np.zeros((len(LEADS), 3)))

    monkeypatch.setattr(tracks, "solved", solve)
    for _ in range(2):
        (path,) = tracks.made(2, tmp_path)
    assert solved == [0, 1]
    assert [track.draw.number for track in tracks.read(path)] == [0, 1]
    monkeypatch.setattr(tracks, "drawn", lambda n, shift, seed: drawn(n + 5, shift, seed))
    tracks.made(2, tmp_path)
    assert solved == [0, 1, 5, 6]


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_shifted_draw_is_outside_at_its_highest_power(shift: str) -> None:
    for n in range(4):
        draw = drawn(n, shift)
        assert isinstance(draw.process, Process)
        assert outside(ENVELOPE, draw.process, draw.beam_power_w, draw.scan_speed_m_per_s) is not None


def track(number: int) -> Track:
    return Track(drawn(number), np.zeros((4, 1, 1, 1)), np.ones((4, 3)))


STEADY, EVENTFUL, FAR = 0, 5, 26


@pytest.mark.parametrize("name", families.SAID)
@pytest.mark.parametrize("number", [STEADY, EVENTFUL, 22, 27, FAR])
def test_a_fault_changes_what_is_reported_and_nothing_that_was_planned(name: str, number: int) -> None:
    draw = drawn(number)
    said = families.SAID[name](draw, np.random.default_rng(1))
    assert len(said) == len(draw.rows)
    for n in range(draw.issued + 2, len(said)):
        np.testing.assert_array_equal(said[n], draw.rows[n], err_msg="what comes is as it was planned")
    times = path(said)[:, 0]
    assert (np.diff(times) > 0).all(), "the clock goes on"
    for a, b in zip(said, said[1:], strict=False):
        np.testing.assert_allclose(a[1, :3], b[0, :3], atol=1e-9, err_msg="the beam jumps nowhere")


def test_a_lag_is_a_shift_in_time_a_freeze_stands_and_a_dropout_is_dark() -> None:
    draw, rng = drawn(STEADY), np.random.default_rng(3)
    last = draw.issued
    frozen = families.freeze(draw, rng)
    np.testing.assert_array_equal(frozen[last][0, 1:3], frozen[last][1, 1:3])
    assert frozen[last][0, 3] == draw.rows[last][0, 3]
    assert families.dropout(draw, rng)[last][0, 3] == 0.0
    late = families.late(draw, rng)
    behind = [n for n in range(last) if np.allclose(draw.rows[n][:, 1:3], late[last][:, 1:3])]
    assert behind
    assert 2 <= last - behind[0] <= 6


@pytest.mark.parametrize("name", ["sensor bias", "sensor dropout", "sensor freeze", "time lag", "sensor spikes"])
def test_a_fault_departs_from_the_plan_and_a_good_machine_does_not(name: str) -> None:
    draw = drawn(STEADY)
    planned = as_path(draw.rows)
    good = departures(draw.issued, reported(planned, 1), planned)
    assert good == (TOLERATED["place"], TOLERATED["power"])
    said = as_path(families.SAID[name](draw, np.random.default_rng(2)))
    place, power = departures(draw.issued, said, planned)
    assert place > TOLERATED["place"] or power > TOLERATED["power"]


def test_what_is_told_wrong_is_told_as_if_it_were_right() -> None:
    here = track(STEADY)
    rng = np.random.default_rng(0)
    dull = families.absorptivity(here, rng)
    assert dull.source(dull.stretches[0])[0] != pytest.approx(here.draw.source(here.draw.stretches[0])[0], rel=0.1)
    assert [r[:, :3].tolist() for r in dull.rows] == [r[:, :3].tolist() for r in here.draw.rows]
    other = families.alloy(here, rng)
    assert isinstance(other.process, Process)
    assert isinstance(here.draw.process, Process)
    assert other.process.material in ALLOYS
    assert other.process.material != here.draw.process.material
    assert other.stream.groups == other.process.groups()


def shipped() -> Calibrated:
    found = calibrated(card.load("asno-melt-pool")[1])
    assert isinstance(found, Calibrated), found
    return found


def test_the_shipped_calibration_is_of_the_shipped_weights() -> None:
    found = shipped()
    assert found.coverage == 0.9
    assert found.combination.names == SCORES
    assert found.combination.least <= ALARM, "else no alarm could be raised"
    groups = {f"{kind}, {path}" for kind in REGIMES for path in ("steady", "changing")}
    for size in ("length", "width", "depth", "field"):
        assert groups <= {name for name, reach in found.reach[size].items() if np.isfinite(reach)}


def test_questions_are_the_same_again_balanced_and_inside_the_envelope() -> None:
    several = [asked.question(n) for n in range(16)]
    assert several[3:5] == [asked.question(3), asked.question(4)]
    kinds = [(process.material.name, regime(process.source(p, v).boiling_number)) for process, p, v in several]
    assert sorted(kinds) == sorted((alloy.name, each) for alloy in ALLOYS for each in REGIMES)
    assert all(outside(ENVELOPE, *each) is None for each in several)


def test_a_question_counts_as_held_where_the_reference_is_inside_its_band(monkeypatch: pytest.MonkeyPatch) -> None:
    d = [asked.question(n)[0].beam_diameter_m for n in range(4)]

    def answer(number: int, by: str) -> Answer:
        pool = MeltPool(2 * d[number], d[number], 0.1 * d[number])
        low, high = (MeltPool(pool.length_m * f, pool.width_m * f, pool.depth_m * f) for f in (0.9, 1.1))
        wrong = (number == 3) * 0.2  # in the length alone
        true = MeltPool(pool.length_m * (1 + wrong), pool.width_m * 1.05, pool.depth_m * 0.95)
        told = Answer(true if by == "reference" else pool, "conduction", 1.0, OK, by)
        return told if by == "reference" or number == 2 else replace(told, band=Band(low, high, 0.9))

    monkeypatch.setattr(asked, "answer", answer)
    told = asked.held(4)
    assert told["draws"] == 3, "one had no band"
    assert [told[size] for size in ("length", "width", "depth")] == pytest.approx([2 / 3, 1, 1])
    half = [told[f"{size} half-width"] for size in ("length", "width", "depth")]
    assert half == pytest.approx([0.1, 0.1, 0.04]), "of a quarter of a diameter at least"


@pytest.mark.timeout(300)
def test_the_suite_runs_at_smoke_size(tmp_path: Path) -> None:
    results = suite.run("smoke", tmp_path / "trust.json", tmp_path)
    rows = page.rows_of(results, "smoke")
    assert set(rows) == {"bands", *SCORES, measure.COMBINED, measure.OBSERVED}
    assert set(rows[measure.COMBINED].errors) == {*families.TOLD, *families.SAID}
    assert rows["bands"].errors["all"]["draws"] == 6
    assert rows["bands"].errors[asked.GROUP]["draws"] == 2
    told = page.text(Results(tmp_path / "trust.json"), "smoke")
    assert "sensor freeze" in told
    assert suite.run("smoke", tmp_path / "trust.json").rows.keys() == results.rows.keys(), "what is there is kept"
