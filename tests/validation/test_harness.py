"""Laws of the harness: a row is made once, everybody is scored by one function, and every suite runs in CI."""

import json
import time
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

from operators.problem import Geometry, Map, March, Problem, Samples, Trajectories
from tests.validation.harness import contenders, kept, linear, page, plots, score, suite, table
from tests.validation.harness.budgets import BUDGETS
from tests.validation.harness.rows import Results, Row, made

LINE = Geometry.grid(8)


def decaying(count: int, seed: int) -> Trajectories:
    """Linear, forced and damped: ridge regression finds it exactly."""
    draw = torch.Generator().manual_seed(seed)
    state = [torch.randn(count, 8, 1, generator=draw)]
    forcing = torch.randn(count, 25, 8, 1, generator=draw)
    for t in range(1, 25):
        state.append(0.9 * state[-1].roll(1, 1) + 0.2 * forcing[:, t])
    return Trajectories.of(torch.stack(state, 1), forcing)


@pytest.fixture(scope="module")
def march() -> March:
    return March("decay", LINE, 1.0, 2, decaying(40, 0), decaying(5, 1), {"id": decaying(5, 2)}, 6)


def test_least_squares_finds_a_linear_rule(march: March) -> None:
    errors = score.march(linear.march(march), march, march.tests["id"])
    assert errors["rollout"] < 1e-3
    held = score.march(contenders.persistence, march, march.tests["id"])
    assert min(held.values()) > 0.3


def test_a_linear_map_and_a_mean_field() -> None:
    draw = torch.Generator().manual_seed(0)
    mix = torch.randn(8, 8, generator=draw)

    def part(n: int) -> Samples:
        given = torch.randn(n, 8, 1, generator=draw)
        return Samples(given, 3 + torch.einsum("pq,bqc->bpc", mix, given))

    problem = Map("mix", LINE, part(60), part(10), {"id": part(10)})
    assert score.one_map(linear.mapped(problem), problem, problem.tests["id"])["error"] < 1e-3
    mean = linear.mean(problem)
    torch.testing.assert_close(mean(problem.fit.given[:2])[0], problem.fit.wanted.mean(0))


def test_no_contender_has_many_more_parameters_than_are_asked(march: March) -> None:
    for contender in contenders.learned(march).values():
        try:
            count = sum(p.numel() for p in contender.matched(march, 60_000).parameters())
        except ImportError:
            continue  # neuraloperator is an extra
        assert count < 120_000, contender.name
        if not contender.name.startswith("asno"):  # whose tokens are kept narrow
            assert count > 30_000, contender.name


def test_a_row_is_made_once_and_read_back(tmp_path: Path) -> None:
    results = Results(tmp_path / "r.json")
    results.add(Row("s", "asno", "learned", 0, "small", {"id": {"rollout": 0.123456789}}, 10, 1.0))
    results.add(Row("s", "fno", "learned", 0, "small", refused="not installed"))
    again = Results(tmp_path / "r.json")
    assert again.rows.keys() == results.rows.keys()
    assert again.rows["s", "asno", 0, "small"].errors == {"id": {"rollout": 0.12346}}
    told = table.text(again, "small")
    assert "0.123" in told
    assert "Not run: fno (not installed)." in told


def test_two_runs_of_a_suite_at_once_lose_no_row_of_each_other(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    one, two = Results(path), Results(path)
    one.about["small"], two.about["full"] = {"seed": 1}, {"seed": 2}
    one.add(Row("s", "asno", "learned", 0, "small", {"id": {"rollout": 0.5}}))
    two.add(Row("s", "fno", "learned", 0, "small", {"id": {"rollout": 0.6}}))
    one.add(Row("s", "fno", "learned", 1, "small", {"id": {"rollout": 0.7}}))
    found = Results(path)
    assert {key[1:3] for key in found.rows} == {("asno", 0), ("fno", 0), ("fno", 1)}
    assert set(found.about) == {"small", "full"}


@pytest.mark.parametrize("content", ["", '{"about": {}, "rows": [', "[]", '{"rows": [{"colour": 1}], "about": {}}'])
def test_a_file_that_is_no_results_file_is_left_as_it_is(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "heat.json"
    path.write_text(content)
    assert suite.main(["--budget", "smoke", "--operators", "persistence", "--out", str(tmp_path)], ["heat"]) == 2
    assert f"{path} is no results file" in capsys.readouterr().err
    assert path.read_text() == content


def test_a_results_file_is_json_also_where_a_loss_was_none(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    Results(path).add(Row("s", "fno", "learned", 0, "small", curve=[[1.0, float("inf"), 0.5]]))
    told = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert told["rows"][0]["curve"] == [[1.0, None, 0.5]]


def test_a_row_is_made_where_there_is_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert made()["commit"] or not (suite.ROOT.parents[1] / ".git").exists()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert made()["commit"] == ""
    assert "CPU cores" in made("cpu")["device"]


def test_seeds_are_put_together_and_the_best_comes_first(tmp_path: Path) -> None:
    results = Results(tmp_path / "r.json")
    for name, errors in (("good", (0.1, 0.3)), ("bad", (0.5, 0.7))):
        for seed, error in enumerate(errors):
            results.rows[("s", name, seed, "small")] = Row(
                "s", name, "learned", seed, "small", {"id": {"rollout": error}}, 5
            )
    results.rows[("s", "hold", 0, "small")] = Row("s", "hold", "trivial", 0, "small", {"id": {"rollout": 0.9}})
    _, *rows = table.errors(results, "small")
    assert rows == [["hold", "trivial", "0.9"], ["good", "learned", "**0.2 ±0.1**"], ["bad", "learned", "0.6 ±0.1"]]
    header, *paid = table.costs(results, "small")
    assert [row[0] for row in paid] == ["hold", "good", "bad"]
    assert paid[1][header.index("seeds")] == "2"


def test_a_table_folds_by_split_and_marks_who_wins(tmp_path: Path) -> None:
    results = Results(tmp_path / "r.json")
    asked = {
        "persistence": ("trivial", {"rollout": 0.3, "end": 0.5, "one": 0.01, "valid time": 0.4}),
        "solver": ("classical", {"rollout": 0.1, "end": 0.2, "one": 0.02, "valid time": 9.0}),
        "asno": ("learned", {"rollout": 0.2, "end": 0.4, "one": 0.03, "valid time": 3.0, "noise 1 %": 0.25}),
        "fno": ("learned", {"rollout": 0.4, "end": 0.3, "one": 0.04, "valid time": 2.0, "noise 1 %": 0.5}),
    }
    for name, (kind, errors) in asked.items():
        results.rows[("s", name, 0, "small")] = Row("s", name, kind, 0, "small", {"id": errors})
    results.rows[("s", "unet", 0, "small")] = Row("s", "unet", "learned", 0, "small", refused="it needs a grid")
    assert table.errors(results, "small") == [
        ["operator", "kind", "id: rollout / end / one", "id valid time"],
        ["persistence", "trivial", "0.3 / 0.5 / *0.01*", "0.4"],
        ["solver", "classical", "*0.1* / *0.2* / *0.02*", "*9*"],
        ["asno", "learned", "**0.2** / 0.4 / **0.03**", "**3**"],
        ["fno", "learned", "0.4 / **0.3** / 0.04", "2"],
    ]
    assert table.more(results, "small") == [
        ["operator", "kind", "id: noise 1 %"],
        ["asno", "learned", "**0.25**"],
        ["fno", "learned", "0.5"],
    ]
    assert table.refused(results, "small") == {"it needs a grid": ["unet"]}
    assert "Not run: unet (it needs a grid)." in table.text(results, "small")


def test_a_run_makes_only_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "heat.json"
    ask = {"operators": ["persistence", "asno"], "results": out}
    first = suite.run("heat", BUDGETS["smoke"], **ask)
    assert set(first.rows) == {("heat", "persistence", 0, "smoke"), ("heat", "asno", 0, "smoke")}
    rows_made = []
    row = suite.row

    def watched(name: str, operator: str, *rest: object) -> Row:
        rows_made.append(operator)
        return row(name, operator, *rest)

    monkeypatch.setattr(suite, "row", watched)
    suite.run("heat", BUDGETS["smoke"], **{**ask, "operators": ["persistence", "linear", "asno"]})
    assert rows_made == ["linear"]
    assert set(json.loads(out.read_text())["about"]["smoke"]) >= {"solver", "seed", "convergence"}


def test_a_row_that_breaks_loses_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = suite.row

    def breaks(name: str, operator: str, *rest: object) -> Row:
        if operator == "linear":
            raise RuntimeError("a singular matrix")
        return row(name, operator, *rest)

    monkeypatch.setattr(suite, "row", breaks)
    asked = ["--budget", "smoke", "--operators", "linear,persistence", "--out", str(tmp_path)]
    assert suite.main(asked, ["heat"]) == 1
    told = capsys.readouterr()
    assert "linear seed 0: RuntimeError: a singular matrix" in told.err
    assert "| persistence |" in told.out
    assert set(Results(tmp_path / "heat.json").rows) == {("heat", "persistence", 0, "smoke")}, "it is tried again"


def test_a_contender_that_refuses_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    told = suite.row("lorenz", "unet", 0, BUDGETS["smoke"], "cpu", lambda line: None)
    assert "grid" in told.refused
    assert not told.errors


def test_an_unknown_contender_is_told_the_known_ones(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert suite.main(["--budget", "smoke", "--operators", "oracle", "--out", str(tmp_path)], ["heat"]) == 2
    assert "persistence, linear" in capsys.readouterr().err


def test_a_contender_that_is_named_twice_is_asked_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = ["--budget", "smoke", "--operators", "persistence, linear,persistence", "--out", str(tmp_path)]
    assert suite.main(asked, ["heat"]) == 0
    assert "heat 2 of 2" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit):
        suite.main([*asked[:-1], str(tmp_path / "file")], ["heat"])
    assert "File exists" in capsys.readouterr().err


def quick(problem: Problem) -> str:
    """One that learns such a problem, and is soon scored: a law fitted on a plane or of two quantities wants a minute
    for it."""
    if isinstance(problem, Map):
        return "lrsa"
    if not problem.conserved:
        return "asno"
    fits = problem.in_context and len(problem.geometry.shape) == 1 and problem.fit.state.shape[-1] == 1
    return "fitted-flux-no" if fits else "flux-no"


@pytest.mark.parametrize("name", [*suite.MARCHES, *suite.MAPS])
def test_every_suite_runs_at_smoke(name: str, tmp_path: Path) -> None:
    """Trivial rows, classical ones, and one operator: finite errors, the reference far ahead of persistence."""
    torch.set_num_threads(1)
    began = time.process_time()
    problem = suite.problem_of(name, "smoke", "cpu")
    learned = quick(problem)
    given = suite.given_rows(name, problem)
    found = suite.run(name, replace(BUDGETS["smoke"], seconds=1), [*given, learned], results=tmp_path / "r.json")
    rows = {key[1]: row for key, row in found.rows.items()}
    assert set(rows) == {*given, learned}
    first = {op: next(iter(row.errors["id"].values())) for op, row in rows.items()}
    assert all(0 <= value < 1e3 for value in first.values())
    trivial = min(first[op] for op, (kind, _) in given.items() if kind == "trivial")
    assert min(first[op] for op, (kind, _) in given.items() if kind == "classical") < 0.5 * trivial
    assert rows[learned].parameters > 0
    assert time.process_time() - began < 60, "20 s on an idle machine"


def test_data_that_are_kept_are_the_data_that_were_made(tmp_path: Path, march: March) -> None:
    cloud = Geometry(torch.rand(8, 2), torch.full((8,), 1 / 8))
    parts = [Samples(*(torch.rand(3, 8, n) for n in (1, 2, 2))) for _ in range(4)]
    for problem in (march, Map("m", cloud, *parts[:2], {"id": parts[2], "far": parts[3]}, {"solver": "none"})):
        kept.save(problem, tmp_path / "p.safetensors")
        again = kept.load(tmp_path / "p.safetensors")
        assert type(again) is type(problem)
        assert list(again.tests) == list(problem.tests)
        assert again.geometry.shape == problem.geometry.shape
        for a, b in zip((again.fit, *again.tests.values()), (problem.fit, *problem.tests.values()), strict=True):
            for name, value in vars(b).items():
                assert value is getattr(a, name) is None or torch.equal(getattr(a, name), value)
    told = replace(march, in_context=True, positive=(1,), conserved=True)
    for field in ("dt", "lags", "horizon", "in_context", "positive", "conserved"):
        assert getattr(told, field) == getattr(kept.load(_saved(told, tmp_path)), field)
    assert kept.path_of("heat", "smoke") != kept.path_of("lorenz", "smoke")


def test_data_whose_file_was_cut_short_are_made_anew(
    tmp_path: Path, march: March, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _saved(march, tmp_path)
    monkeypatch.setattr(kept, "path_of", lambda *_: path)
    path.write_bytes(path.read_bytes()[:1000])
    assert torch.equal(kept.problem("decay", "smoke", lambda: march).fit.state, march.fit.state)
    assert kept.load(path).horizon == march.horizon


def _saved(problem: March, folder: Path) -> Path:
    kept.save(problem, folder / "q.safetensors")
    return folder / "q.safetensors"


def test_the_page_says_what_the_results_files_say() -> None:
    told = page.PAGE.read_text()
    for name in (*suite.MARCHES, *suite.MAPS):
        results = Results(suite.ROOT / name / "results.json")
        assert f"<!-- {name} -->" in told
        for budget in page.budgets(results):
            assert page.block(results, budget) in told, f"write it again: ./meltwin validate {name} --docs"
    assert page.standings(suite.GROUPS) in told, "write it again: ./meltwin validate asno --docs"


def test_a_larger_budget_speaks_for_a_suite_once_it_has_all_operators(tmp_path: Path) -> None:
    results = Results(tmp_path / "r.json")

    def add(name: str, budget: str, seed: int = 0, kind: str = "learned") -> None:
        results.rows["s", name, seed, budget] = Row("s", name, kind, seed, budget, {"id": {"one": 0.1}})

    assert page.shown(results) is None
    for name in ("fno", "dpot"):
        add(name, "small")
    for seed in range(3):
        add("fno", "medium", seed)
    for name in ("persistence", "linear", "solver"):
        add(name, "medium", kind="trivial")
    assert page.budgets(results) == ["small", "medium"]
    add("dpot", "medium")
    assert page.budgets(results) == ["medium", "small"]


def test_who_is_first_is_the_smallest_mean_of_the_seeds(tmp_path: Path) -> None:
    results = Results(tmp_path / "r.json")
    asked = {
        "persistence": ("trivial", {"id": [0.3], "ood": [0.05]}),
        "solver (the reference)": ("classical", {"id": [0.01], "ood": [0.01]}),
        "asno": ("learned", {"id": [0.1, 0.4], "ood": [0.1, 0.2]}),
        "fno": ("learned", {"id": [0.2, 0.2], "ood": [0.2, 0.2]}),
    }
    for name, (kind, errors) in asked.items():
        for seed in range(len(errors["id"])):
            told = {split: {"rollout": each[seed], "one": 9.0} for split, each in errors.items()}
            results.rows["s", name, seed, "small"] = Row("s", name, kind, seed, "small", told)
    assert table.standings(results, "small", "asno")[1:] == [
        ["id", "fno 0.2", "asno 0.25", "asno 0.25, 2 of 2", "persistence 0.3", "solver 0.01"],
        ["ood", "asno 0.15", "fno 0.2", "asno 0.15, 1 of 2", "persistence 0.05", "solver 0.01"],
    ]
    assert [row[3] for row in table.standings(results, "small", "lrsa")[1:]] == ["-", "-"]


def test_a_plot_of_rollouts_has_a_line_for_each_operator(tmp_path: Path) -> None:
    results = Results(tmp_path / "r.json")
    for name, kind, growth in (("good", "learned", [0.01, 0.02]), ("hold", "trivial", [0.2, 0.5])):
        results.rows["s", name, 0, "small"] = Row("s", name, kind, 0, "small", {"id": {"one": 0.1}}, growth=growth)
    svg = plots.growth(results, "small", "a < b")
    assert svg is not None
    root = ElementTree.fromstring(svg)
    words = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"good", "hold", "a < b", "1e-2"} <= set(words)
    assert plots.growth(results, "full", "none") is None


def test_floating_point_operations_count_attention_on_a_cpu_too() -> None:
    query = torch.randn(1, 4, 100, 16)
    attend = torch.nn.functional.scaled_dot_product_attention
    assert score.gflop(lambda: attend(query, query, query)) == pytest.approx(2 * 2 * 4 * 100 * 100 * 16 / 1e9)
    assert score.gflop(lambda: query @ query.mT) == pytest.approx(2 * 4 * 100 * 100 * 16 / 1e9)
