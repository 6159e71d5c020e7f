"""Laws of the suite at smoke size: the maps agree with the reference, order what matters, and hang on the weights."""

import json
from pathlib import Path

import numpy as np
import pytest

from operators import card
from operators.attribution import faithful
from operators.attribution.gradients import Gradients
from operators.window import WindowGrid
from tests.validation.attribution import adjoint, bdf, green, laws, order, page, suite

NAME = "asno-melt-pool"
RESULTS = json.loads(suite.RESULTS.read_text()) if suite.RESULTS.is_file() else {}


@pytest.fixture(scope="module")
def gradients() -> Gradients:
    return Gradients(card.load(NAME)[0], WindowGrid())


@pytest.fixture(scope="module")
def one() -> adjoint.Asked:
    return adjoint.asked(0)


@pytest.fixture(scope="module")
def both(one: adjoint.Asked, gradients: Gradients) -> tuple[adjoint.Maps, adjoint.Maps]:
    return adjoint.of_operator(one, gradients), adjoint.of_reference(one, gradients.grid)


def test_maps_agree_with_those_of_the_reference(one: adjoint.Asked, both: tuple[adjoint.Maps, adjoint.Maps]) -> None:
    found = adjoint.compared(one, *both)
    assert found["parameter"] > 0.9
    assert found["spatial 2"] > 0.9


def test_differences_of_the_reference_are_its_gradient(
    one: adjoint.Asked, both: tuple[adjoint.Maps, adjoint.Maps]
) -> None:
    """Half the step gives the same map to two in a hundred of its largest entry."""
    values = np.nan_to_num(both[1].parameter[:, :3])
    moment = int(np.abs(values[:, 0]).argmax())
    grid, half = WindowGrid(), 0.5 * adjoint.STEP
    for column, name in enumerate(("q", "depth", "speed")):
        up, down = (
            adjoint._measured(one, grid, adjoint.moved(one.path, moment, name, sign * half)) for sign in (1, -1)
        )
        assert (up - down) / (2 * half) == pytest.approx(values[moment, column], abs=0.02 * np.abs(values).max())


def test_ranks() -> None:
    a = np.array([1.0, 2.0, 3.0, 4.0])
    assert adjoint.spearman(a, a**3) == pytest.approx(1.0)
    assert adjoint.spearman(a, -a) == pytest.approx(-1.0)
    assert adjoint.spearman(np.array([1.0, 1.0, 2.0]), np.array([3.0, 3.0, 9.0])) == pytest.approx(1.0)
    assert adjoint.ranked(np.array([1.0, 0.5, 1e-6, -1e-6]), np.array([1.0, 0.4, -1e-6, 1e-6])) == pytest.approx(1.0)


def test_what_a_map_names_first_matters_most(one: adjoint.Asked, gradients: Gradients) -> None:
    rng = np.random.default_rng(0)
    for found in (order.of_moments(one, gradients, rng), order.of_cells(one, gradients, rng)):
        for kind in ("deletion", "insertion"):
            assert found[f"{kind} map"] > found[f"{kind} random"] > found[f"{kind} reverse"]


def test_curves_of_a_linear_number_are_known() -> None:
    weights = np.array([4.0, 3.0, 2.0, 1.0])
    found = order.curves(lambda masks: [weights[~m].sum() for m in masks], weights, np.random.default_rng(0))
    assert found["deletion map"] == pytest.approx(0.25 * (0.2 + 0.55 + 0.8 + 0.95))
    assert found["deletion map"] + found["deletion reverse"] == pytest.approx(1.0)
    assert found["insertion map"] == pytest.approx(found["deletion map"])


def test_random_weights_make_another_map(one: adjoint.Asked, gradients: Gradients) -> None:
    found = laws.kept_by_random_weights(one, gradients, 0)
    assert found["cells"] < 0.3
    assert found["moments"] < 0.9


def test_random_weights_forecast_something(one: adjoint.Asked, gradients: Gradients) -> None:
    """And nothing beyond what a float holds, or their map would be none."""
    path, of, against = laws.path_of(one), gradients, laws.randomised(gradients, 0)
    (right,), (wrong,) = ([each.theta for each in every([path], one.scalar)] for every in (of, against))
    assert np.isfinite(wrong).all()
    assert np.abs(wrong).max() <= np.sinh(laws.HOTTEST) * 1.001
    assert np.abs(wrong - right).mean() > 0.1


def test_close_inputs_have_close_maps_in_any_batch(one: adjoint.Asked, gradients: Gradients) -> None:
    assert laws.steadiness(one, gradients, np.random.default_rng(0)) < 60
    assert laws.batched([one, adjoint.asked(4)], gradients) < 1e-3


def test_greens_functions_solve_their_equations() -> None:
    """-G'' + k^2 G is a point at the diagonal, and nothing elsewhere."""
    for k in (0.0, 3.0):
        g = green.function(k, 400)
        second = np.diff(g[:, 120], n=2) * 400**2
        off = np.abs(-second + k**2 * g[1:-1, 120])
        assert np.delete(off, [118, 119, 120]).max() < 1e-3 * off.max()
    assert green.errors("smoke", 0.5)["NAO, -u''"] < 5


@pytest.mark.parametrize("k", [1, 2])
def test_the_rule_of_bdf_is_found(k: int) -> None:
    found, pushed = bdf.recovered(k)
    alpha, beta = bdf.EXACT[k]
    np.testing.assert_allclose([*found, pushed], [*alpha, beta], atol=0.05 * max(map(abs, alpha)))


def test_the_suite_keeps_what_it_has_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite.bdf, "errors", lambda: {"BDF-1": 0.0})
    out = tmp_path / "results.json"
    suite.run("smoke", ["bdf", "radial"], out, 1.0, tmp_path)
    monkeypatch.setattr(suite.bdf, "errors", lambda: pytest.fail("it is there already"))
    results = suite.run("smoke", ["bdf"], out, 1.0, tmp_path)
    assert results["smoke"]["bdf"] == {"BDF-1": 0.0}
    assert "BDF-1" in page.text(results["smoke"])
    monkeypatch.setattr(suite.bdf, "errors", lambda: {"BDF-1": 0.5})
    again = suite.run("smoke", ["bdf"], out, 1.0, tmp_path, again=True)
    assert again["smoke"]["bdf"] == {"BDF-1": 0.5}
    assert again["smoke"]["radial"] == results["smoke"]["radial"], "what was not asked for is left as it was"


@pytest.mark.skipif(not RESULTS, reason="no results yet")
def test_the_side_file_says_what_the_results_say(tmp_path: Path) -> None:
    budget = next(name for name in reversed(suite.SIZES) if name in RESULTS and "adjoint" in RESULTS[name])
    made = json.loads(suite.side_file(RESULTS, budget, tmp_path).read_text())
    assert made == json.loads(faithful.path_of(NAME).read_text())
    assert made["sha256"] == card.load(NAME)[1]["sha256"]
    again = suite.medians(RESULTS[budget]["adjoint"]["by_case"])["medians"]
    assert made["maps"]["parameter"]["depth"]["median"] == pytest.approx(again["depth"]["parameter"][0], rel=1e-4)


def test_maps_of_other_weights_are_not_shown(tmp_path: Path) -> None:
    told = {"name": "x", "sha256": "a"}
    assert "nobody has measured" in faithful.withheld(told, "parameter", "depth", tmp_path)
    rows = {"depth": {"median": 0.95, "cases": 9}, "width": {"median": 0.5, "cases": 9}}
    side = {"sha256": "a", "wanted": 0.9, "maps": {"parameter": rows}}
    faithful.path_of("x", tmp_path).write_text(json.dumps(side))
    assert faithful.withheld(told, "parameter", "depth", tmp_path) == ""
    assert "0.50 in the median of 9 cases" in faithful.withheld(told, "parameter", "width", tmp_path)
    rows["width"] = {"median": 0.95, "cases": 3}
    faithful.path_of("x", tmp_path).write_text(json.dumps(side))
    assert "on 3 cases only" in faithful.withheld(told, "parameter", "width", tmp_path)
    assert "has not been measured" in faithful.withheld(told, "parameter", "length", tmp_path)
    assert "nobody has measured" in faithful.withheld({**told, "sha256": "b"}, "parameter", "depth", tmp_path)
