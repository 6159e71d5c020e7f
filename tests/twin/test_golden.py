"""Limits from good builds: what they promise is measured, what they cannot tell is said."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from twin.golden import COMPARED, LEAST_FRAMES, NEAREST, STUDENT_95, compare, kin, limits, outside
from twin.remarks import MARKS
from twin.store.packing import table
from twin.store.sums import ARCHIVE, OBSERVED, OF_FRAMES, SUMS

LAYERS = range(1, 21)


def sums(values: dict[int, list[float]], quantity: str = "width_m", count: int | None = None) -> pd.DataFrame:
    rows = [
        (layer, quantity, count or len(of), *np.quantile(of, [0.05, 0.5, 0.95])) for layer, of in sorted(values.items())
    ]
    return table(rows, SUMS)


def drawn(rng: np.random.Generator, between: float, within: float = 0.05, shift: float = 0.0) -> pd.DataFrame:
    """A build of 20 layers with 200 frames each about 150 um; `between` builds and `within` layers, relative."""
    own = 1 + between * rng.standard_normal() + shift
    return sums({layer: (150e-6 * own * (1 + within * rng.standard_normal(200))).tolist() for layer in LAYERS})


def names(count: int) -> list[tuple[str, str]]:
    return [("m1", f"g{number}") for number in range(count)]


def test_students_factors_are_his() -> None:
    assert list(STUDENT_95) == [round(float(student.ppf(0.975, free)), 3) for free in range(1, len(STUDENT_95) + 1)]


def test_one_good_build_says_where_its_frames_lay_and_no_more() -> None:
    rng = np.random.default_rng(0)
    good = drawn(rng, 0.0)
    made = limits({("m1", "g"): good})
    assert (made["builds"] == 1).all()
    assert (made["widened"] == 0).all()
    np.testing.assert_allclose(made["low"], good["p05"])
    np.testing.assert_allclose(made["high"], good["p95"])
    times = limits({("m1", "g"): sums({1: [3.0]}, "layer_time_s")})
    assert times[["low", "high"]].isna().all(axis=None)
    assert times["median"].tolist() == [3.0]
    apart = compare(sums({1: [30.0]}, "layer_time_s"), times)
    assert apart["by"].isna().all(), "one time says nothing of how times differ"
    assert outside(apart).empty


@pytest.mark.parametrize("count", [2, 3, 5])
def test_limits_hold_a_further_good_build_and_widen_as_builds_differ(count: int) -> None:
    """Layers of single values, which no spread within the layer helps: the 95 % that is promised, over builds. Each
    quantity is a try of its own."""
    rng, tries, beyond = np.random.default_rng(count), 40, 0
    quantities = (*OF_FRAMES, *OBSERVED.values())

    def build() -> pd.DataFrame:
        own = 1 + 0.03 * rng.standard_normal(len(quantities))
        of = [
            sums({layer: [150e-6 * each] for layer in (1, 2)}, quantity, LEAST_FRAMES)
            for quantity, each in zip(quantities, own, strict=True)
        ]
        return pd.concat(of, ignore_index=True)

    for _ in range(tries):
        made = limits({name: build() for name in names(count)})
        beyond += outside(compare(build(), made))["quantity"].nunique()
    assert 1 - beyond / (tries * len(quantities)) == pytest.approx(0.95, abs=0.035)  # 3 deviations of so many


def test_a_good_builds_layers_are_hardly_ever_outside_where_frames_scatter() -> None:
    rng = np.random.default_rng(1)
    found = [
        len(outside(compare(drawn(rng, 0.01), limits({name: drawn(rng, 0.01) for name in names(3)}))))
        for _ in range(50)
    ]
    assert np.mean(found) / len(LAYERS) < 0.01


def test_a_layer_that_deviates_is_named_with_by_how_much_the_worst_first() -> None:
    rng = np.random.default_rng(2)
    made = limits({name: drawn(rng, 0.002) for name in names(4)})
    odd = drawn(rng, 0.0)
    for layer, factor in ((7, 1.5), (12, 0.7)):
        odd.loc[odd["layer"] == layer, ["p05", "p50", "p95"]] *= factor
    worst, other = outside(compare(odd, made)).itertuples()
    assert (worst.layer, other.layer) == (7, 12)
    edge = made.set_index("layer").loc[7]
    assert worst.by == pytest.approx(worst.value - edge["high"], rel=1e-12)
    assert worst.times == pytest.approx(worst.by / (edge["high"] - edge["median"]), rel=1e-12)
    assert other.by < 0 < worst.by
    assert other.by == pytest.approx(other.value - made.set_index("layer").loc[12, "low"], rel=1e-12)


def test_less_than_half_of_a_layer_cannot_be_seen() -> None:
    """What docs/golden.md says that the comparison cannot tell, so that nobody takes it for more."""
    rng = np.random.default_rng(3)
    frames = 150e-6 * (1 + 0.05 * rng.standard_normal(200))
    made = limits({name: sums({1: frames.tolist()}) for name in names(2)})
    frames[:90] *= 2.0
    assert outside(compare(sums({1: frames.tolist()}), made)).empty
    frames[90:120] *= 2.0
    assert len(outside(compare(sums({1: frames.tolist()}), made))) == 1


def test_what_does_not_scatter_has_limits_all_the_same() -> None:
    made = limits({name: sums({1: [195.0] * 40}, "beam_power_w") for name in names(2)})
    assert (made["low"][0], made["high"][0]) == (pytest.approx(195 * (1 - NEAREST)), pytest.approx(195 * (1 + NEAREST)))
    assert outside(compare(sums({1: [196.0] * 40}, "beam_power_w"), made)).empty
    (row,) = outside(compare(sums({1: [205.0] * 40}, "beam_power_w"), made)).itertuples()
    assert row.by == pytest.approx(205 - 196.95)


def test_layers_with_few_frames_are_not_judged_and_those_without_kin_have_no_limit() -> None:
    wide = sums({1: [3e-4] * 5, 2: [3e-4] * 40, 9: [3e-4] * 40})
    made = limits({name: sums({1: [1e-4] * 40, 2: [1e-4] * 40}) for name in names(2)})
    found = compare(wide, made)
    assert found["layer"].tolist() == [2, 9]
    assert np.isnan(found["by"][1])
    assert outside(found)["layer"].tolist() == [2]


def test_a_layer_that_only_one_good_build_has_is_widened_by_what_the_others_say() -> None:
    made = limits({
        ("m1", "a"): sums({1: [1e-4] * 40, 2: [1e-4] * 40}), ("m1", "b"): sums({1: [1.1e-4] * 40}),
    }).set_index("layer")  # fmt: skip
    assert made["builds"].tolist() == [2, 1]
    assert made.loc[2, "widened"] > made.loc[1, "widened"] * 0.9 > 0


def test_nothing_in_gives_columns_and_no_rows() -> None:
    assert limits({}).empty
    assert compare(table([], SUMS), limits({})).empty
    assert outside(compare(sums({1: [1e-4] * 40}), limits({}))).empty
    assert set(limits({names(1)[0]: sums({1: [1.0] * 40})})["quantity"]) <= set(COMPARED)


def archive(*rows: dict[str, object]) -> pd.DataFrame:
    constant = dict.fromkeys(ARCHIVE, 0) | {
        "machine": "m1", "part": "", "material": "IN625", "process": "lpbf", "origin": "live", "running": False,
        "layer_thickness_m": 4e-5, "nominal_beam_power_w": 195.0,
    }  # fmt: skip
    return table([[(constant | row)[name] for name in ARCHIVE] for row in rows], ARCHIVE)


def marked(*builds: str) -> pd.DataFrame:
    return table([(n, "m1", build, True, "Ada", 1.0, "x") for n, build in enumerate(builds)], MARKS)


def test_kin_are_the_good_builds_of_the_part_without_the_build_itself() -> None:
    rows = archive(
        {"build": "own", "part": "lug"}, {"build": "a", "part": "lug"}, {"build": "b", "part": "bracket"},
        {"build": "c", "part": "lug", "material": "SS316L"}, {"build": "d", "part": "lug"},
        {"build": "e", "part": "lug", "nominal_beam_power_w": 370.0},
    )  # fmt: skip
    found = kin(rows, marked("own", "a", "b", "c", "e"), "m1", "own")
    assert found.builds == (("m1", "a"), ("m1", "e"))
    assert found.alike == "part lug"
    assert found.left_out == (("m1", "c", "another alloy, SS316L"),)
    assert kin(rows, marked(), "m1", "own").builds == ()
    assert kin(rows, marked("a"), "m1", "nobody").builds == ()


def test_without_a_part_kin_are_of_the_same_alloy_and_parameters() -> None:
    rows = archive(
        {"build": "own"}, {"build": "a"}, {"build": "b", "part": "lug"}, {"build": "c", "nominal_beam_power_w": 200.0},
        {"build": "d", "nominal_beam_power_w": 195.1}, {"build": "e", "process": "ded"},
        {"build": "f", "process": None},
    )  # fmt: skip
    found = kin(rows, marked("a", "b", "c", "d", "e", "f"), "m1", "own")
    assert found.builds == (("m1", "a"), ("m1", "d"), ("m1", "f"))
