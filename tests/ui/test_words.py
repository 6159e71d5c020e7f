"""What people read: origin, slow motion, verdicts."""

from typing import get_args

import numpy as np
import pandas as pd
import pytest

from operators.reference.rule import RULE
from tests.ui.synthetic import SyntheticStore
from twin.forecast import Field, Outcome, OutcomeKind
from twin.regime import DEEP_KEYHOLE
from twin.store.packing import SKIPPED, table
from ui.figures import DED, LIGHT, LPBF
from ui.pages import band
from ui.pages.lists import missed
from ui.snapshot import Fresh, Slow, Snapshot, read_machines, read_slow
from ui.words import ago, duration, moment, seen, slow_motion, unit_of, verdict


def test_slow_motion_says_the_factor_plainly():
    assert slow_motion(0.0006) == "slow motion: 1 s here is 600 µs at the machine"
    assert slow_motion(0.001) == "slow motion: 1 s here is 1 ms at the machine"
    assert slow_motion(10.0) == "fast: 1 s here is 10 s at the machine"
    assert slow_motion(1.0) == "real time"


@pytest.mark.parametrize("kind", get_args(OutcomeKind))
def test_every_outcome_has_words_and_only_ok_is_normal(kind):
    said = verdict(Outcome(kind, "q", 0.4))
    assert said.word
    assert said.more
    assert (said.tone == "normal") == (kind == "ok")


def test_the_regime_is_told_by_the_number_that_decides_it_and_ke_stands_apart() -> None:
    assert (RULE.calm, RULE.boiling, DEEP_KEYHOLE) == (band.CALM, band.BOILING, band.DEEP)
    latest = {"regime": "conduction", "keyhole_number": 5.02}
    told = {fact.children[0].children[0]: fact for fact in band._facts(Snapshot(0.0, fresh=Fresh(latest=latest)))}
    assert told["Regime"].children[1].children == "conduction (B < 1.36)"
    assert told["Ke"].children[1].children == "5.0"
    assert "boiling number" in told["Regime"].title
    assert "does not decide" in told["Ke"].title


def test_a_forecast_that_was_never_calibrated_claims_nothing_about_its_error() -> None:
    assert "not calibrated" in verdict(Outcome(which="not calibrated")).more
    assert "not calibrated" not in verdict(Outcome()).more


def test_no_two_tones_share_a_shape():
    tones: dict[str, set[str]] = {}
    for outcome in [None, *(Outcome(kind) for kind in get_args(OutcomeKind))]:
        said = verdict(outcome)
        tones.setdefault(said.shape, set()).add(said.tone)
    assert all(len(shared) == 1 for shared in tones.values())


def test_a_withheld_forecast_says_that_there_are_no_numbers():
    assert "No numbers are given" in verdict(Outcome("outside_envelope", "q", 1.0), withheld=True).more


def test_moments_are_distances_from_now_on_the_wall_clock_only():
    assert seen(1_700_000_000.0, 1_700_000_014.0) == "14 s ago"
    assert seen(3.25, 1_700_000_000.0) == "at 3.250 s"
    assert (ago(89), ago(91), ago(7300), ago(200_000)) == ("89 s", "2 min", "2 h", "2 d")
    assert (duration(0.04), duration(1.5), duration(6e-5)) == ("40 ms", "1.5 s", "60 µs")


def test_units_follow_the_process_and_else_the_size():
    assert unit_of("lpbf", pd.DataFrame()) is LPBF
    assert unit_of("ded", pd.DataFrame()) is DED
    assert unit_of(None, pd.DataFrame({"width_m": [1.2e-3]})) is DED
    assert unit_of(None, pd.DataFrame({"width_m": [1.2e-4]})) is LPBF


def test_a_picture_says_which_moment_it_shows_and_how_old_it_is():
    line = np.zeros(2)
    shown = Field(line, line, line, np.zeros((2, 2, 2)), 1.0, 2.0, 0.0, 0.0, time_s=0.0125, issued_s=1.7e9)
    assert moment(shown, 1.7e9 + 2) == "at 12.5 ms, made 2 s ago"
    assert moment(None, 0.0) == ""


def test_skipped_frames_that_follow_each_other_are_one_line_and_lines_of_a_moment_stand_in_order() -> None:
    ranges = [
        (9.0, "b", 2, 8, 8),
        (9.0, "b", 2, 100, 104),
        (9.0, "b", 2, 9, 9),
        (8.5, "b", 2, 6, 7),
        (3.0, "a", 1, 0, 3),
    ]
    slow = Slow(skipped=table(ranges, SKIPPED))
    shown = missed(Snapshot(10.0, slow=slow), LIGHT)["missed"]["children"].children
    told = [item.children[0].removesuffix(" skipped: newer ones waited") for item in shown]
    assert told == ["frames 6 to 9 of layer 2", "frames 100 to 104 of layer 2", "frames 0 to 3 of layer 1"]


def test_what_was_missed_is_told_newest_first() -> None:
    store = SyntheticStore()
    row = read_machines(store)[1]
    slow = read_slow(store, row, None, store.now_s)
    shown = missed(Snapshot(store.now_s, machines=(row,), machine=str(row["machine"]), slow=slow), LIGHT)
    lines = ["".join(str(part) for part in item.children[:1]) for item in shown["missed"]["children"].children]
    assert [line.split()[0] for line in lines] == ["frames", "meltwin/v1/hall/m/plan", "parameters"]
    assert "100 to 163 of layer 3" in lines[0]
    assert "ends early" in lines[1]
    assert "40 to 42" in lines[2]
