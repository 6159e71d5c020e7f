"""Laws of a build's course: what a moment lies in, where the clock steps back, which pause is a silence."""

import csv

import pandas as pd
import pytest

from tests.conftest import shared_data
from twin import course
from twin.course import Course


def layers(begun_s: list[float], lasts_s: float = 2.5, first: int = 0) -> pd.DataFrame:
    rows = [(first + n, 0.0, "", at_s, at_s + lasts_s, True, at_s) for n, at_s in enumerate(begun_s)]
    return pd.DataFrame(rows, columns=list(course.LAYERS)).astype(course.LAYERS)


def of(table: pd.DataFrame) -> Course:
    nothing = [pd.DataFrame(columns=list(c)) for c in (course.SKIPPED, course.ALERTS, course.GAPS)]
    return Course("m", "b", table, course.breaks(table), course.runs([]), *nothing)


def test_the_peregrine_log_steps_back_once_and_is_silent_once() -> None:
    """Its 1,819 layer times; a layer of part P5 lasts some 2.5 s."""
    path = shared_data("lpbf_peregrine") / "layer_times_notes.csv"
    found = of(layers([float(row["t_rel_s"]) for row in csv.DictReader(path.open())]))
    assert found.breaks[["kind", "layer"]].values.tolist() == [["clock_skew", 103], ["silence", 105]]
    assert found.breaks["by_s"].tolist() == pytest.approx([-13.22, 1475.45])
    in_the_gap = found.here(29500.0)
    assert (in_the_gap.kind, in_the_gap.layer) == ("silence", 104)
    assert in_the_gap.to_s == 30279.3
    assert in_the_gap.by_s == pytest.approx(1475.45)
    assert in_the_gap.usual_s == pytest.approx(277, abs=5)
    assert found.here(28420.0).kind == "pause", "after layer 103, whose clock stepped back, and before 102"
    assert found.here(28427.0).layer == 102


def test_a_moment_lies_in_a_layer_or_between_two() -> None:
    found = of(layers([0.0, 100.0, 200.0], first=5))
    told = {at_s: (found.here(at_s).kind, found.here(at_s).layer) for at_s in (-1.0, 0.0, 2.5, 50.0, 101.0, 300.0)}
    assert told == {
        -1.0: ("before", None), 0.0: ("layer", 5), 2.5: ("layer", 5), 50.0: ("pause", 5), 101.0: ("layer", 6),
        300.0: ("after", 7),
    }  # fmt: skip
    assert (found.here(50.0).from_s, found.here(50.0).to_s) == (2.5, 100.0)
    assert found.span == (0.0, 202.5)
    assert of(layers([])).here(1.0).kind == "nothing"


def test_stretches_are_told_from_their_ends_and_one_frame_is_a_stretch() -> None:
    ends = [(1, 0, 0.0, "ok", 9.0), (1, 4, 4.0, "ok", 9.0), (1, 5, 5.0, "drift", 9.0), (2, 0, 6.0, "drift", 9.5),
            (2, 1, 7.0, "drift", 9.5)]  # fmt: skip
    told = course.runs(ends)
    assert told[["outcome", "layer", "begin_s", "end_s", "frames"]].values.tolist() == [
        ["ok", 1, 0.0, 4.0, 5], ["drift", 1, 5.0, 5.0, 1], ["drift", 2, 6.0, 7.0, 2],
    ]  # fmt: skip
