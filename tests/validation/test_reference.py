"""The reference's page and results agree, bars hold or are told to fall short, and what made them works."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from operators.reference.rule import RULE
from tests.validation.reference import measures, meltpoolnet, page, plots, solve, suite, tables
from tests.validation.reference.cases import chen, nist, simonds
from tests.validation.reference.meltpoolnet import Row
from twin.material import IN625


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    return suite.read()


def test_the_page_and_its_plots_are_made_from_the_results(results: dict[str, Any]) -> None:
    remedy = "run ./meltwin validate reference --docs"
    text = page.PAGE.read_text()
    assert set(re.findall(r"<!-- ([a-z\-]+) -->", text)) == set(page.BLOCKS)
    assert page.filled(text, results) == text, remedy
    for name, draw in plots.PLOTS.items():
        assert (page.IMAGES / name).read_text() == draw(results), remedy


def test_the_results_are_of_this_rule_and_of_every_table(results: dict[str, Any]) -> None:
    told = {name: value for name, value in results["rule"].items() if name in asdict(RULE)}
    assert told == suite.clean(asdict(RULE)), "the rule has changed: run ./meltwin validate reference, then with --docs"
    assert not results["skipped"]
    assert set(results["tables"]) == set(suite.TABLES)


def test_every_bar_holds_or_is_told_to_fall_short(results: dict[str, Any]) -> None:
    text = page.PAGE.read_text()
    short = {(f["table"], f["name"]) for f in results["falls_short"]}
    for name, table in results["tables"].items():
        for row in table["rows"]:
            if row.get("bar") is not None and not row["fitted"]:
                assert row["met"] is (abs(row["error"]) <= row["bar"])
                assert row["met"] is not ((name, f"{row['name']} {row['quantity']}") in short)
        for bar in table["bars"]:
            held = bar["value"] >= bar["bar"] if bar["at_least"] else bar["value"] <= bar["bar"]
            assert bar["met"] is held is not ((name, bar["name"]) in short)
    for _, name in short:
        assert page.cell(name) in text


def test_rows_that_set_the_rule_are_marked(results: dict[str, Any]) -> None:
    fitted = {(r["name"], r["quantity"]) for r in results["tables"]["nist"]["rows"] if r["fitted"]}
    assert fitted == {(name, size) for name in ("AMMT-B", "CBM-B") for size in ("width", "depth")}
    assert sum(r["fitted"] for r in results["tables"]["chen"]["rows"]) == 80  # 40 tracks, two sizes


def test_without_the_data_the_tables_are_skipped_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(suite, "DATA", tmp_path / "data")
    made = suite.run(("chen", "literature"), quiet=True)
    assert made["tables"] == {}
    assert list(made["skipped"]) == ["chen", "literature"]
    assert "in718_preheat" in made["skipped"]["chen"]
    assert "skipped chen" in page.printed(made)


def test_a_table_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        suite.main(["--tables", "nust"])
    assert "nust" in capsys.readouterr().err


def test_the_file_is_json_again() -> None:
    value = {"a": {"b": {"c": [1.23456789, math.nan, True, None]}, "rows": [{"x": np.float64(2.0)}]}, "n": []}
    there = suite.clean(value)
    assert json.loads(suite.text(there)) == there
    assert there["a"]["b"]["c"] == [1.23457, None, True, None]


def test_measures() -> None:
    assert measures.mape([1.1, 0.8], [1.0, 1.0]) == pytest.approx(0.15)
    assert measures.median_ratio([1, 4, 9], [1, 2, 3]) == 2
    assert measures.auc([1, 2, 3, 4], [False, False, True, True]) == 1
    assert measures.auc([1, 1], [True, False]) == 0.5
    assert measures.auc([1, 2], [True, True]) is None
    assert measures.slope([0, 1, 2], [1, 3, 5]) == pytest.approx(2)
    told = measures.spread([1, 2, 3, math.nan])
    assert (told["n"], told["median"]) == (3, 2)
    assert 1 <= told["interval"][0] <= 2 <= told["interval"][1] <= 3


def test_an_end_of_an_interval_keeps_the_order_of_freezing() -> None:
    alloy = replace(
        IN625,
        intervals=(("solidus_k", 1500.0, 1700.0), ("frozen_k", 1400.0, 1600.0), ("latent_heat_j_per_kg", 2e5, 2.9e5)),
    )
    ends = tables.ends(alloy)
    assert [value for name, value in ends if name == "solidus_k"] == [1500.0]
    assert [value for name, value in ends if name == "frozen_k"] == [1400.0]
    assert [value for name, value in ends if name == "latent_heat_j_per_kg"] == [2e5]
    assert {name for name, _ in ends} == set(alloy.uncertain)


def test_what_the_reference_refuses_comes_back_as_an_outcome() -> None:
    found = solve.solve(solve.Task("IN625", 100.0, 1e-4, 100e-6))
    assert not found.ok
    assert "refused" in found.outcome


def test_a_row_knows_what_was_measured() -> None:
    case = next(c for c in nist() if c.name == "CBM-C")
    found = solve.Found(length_m=case.length_m, width_m=1.2 * case.width_m, depth_m=case.depth_m)
    told = {r[0]: r for r in tables.quantities(case, found)}
    assert set(told) == {"length", "width", "depth", "cooling rate"}
    row = tables.row(case, found, *told["width"], 0.15)
    assert row["error"] == pytest.approx(0.2)
    assert row["met"] is False


def paper(scatter: float, n: int = 20) -> list[Row]:
    """Rows of a made-up paper: a power law with so much scatter."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(n):
        p, v, noise = rng.uniform(100, 300), rng.uniform(0.3, 1.5), rng.normal(1.0, scatter, 2)
        width, depth = 1e-5 * (p / v) ** 0.4, 1e-6 * (p / v) ** 0.8
        rows.append(
            Row("1", "IN718", "PBF", "SLM", p, v, 1e-4, width * noise[0], depth * noise[1], math.nan, math.nan, "")
        )
    return rows


def test_sizes_without_scatter_were_calculated() -> None:
    assert "smooth" in meltpoolnet.calculated(paper(0.005))
    assert not meltpoolnet.calculated(paper(0.08))
    halves = [replace(row, depth_m=0.5 * row.width_m) for row in paper(0.08)]
    assert "same share" in meltpoolnet.calculated(halves)


def test_a_row_that_takes_more_heat_than_there_is_cannot_be_right() -> None:
    row = replace(paper(0.08)[0], width_m=400e-6, depth_m=400e-6, scan_speed_m_per_s=2.0)
    assert meltpoolnet.measured([row]).left_out == {"melting the measured section takes more than metal can absorb": 1}


def test_rows_are_drawn_alike_each_time() -> None:
    rows = paper(0.08)
    assert meltpoolnet.capped(rows, 5) == meltpoolnet.capped(rows, 5)
    assert len(meltpoolnet.capped(rows, 5)) == 5


def test_the_files_are_read_in_si(shared_data: Callable[[str], Path]) -> None:
    shared_data("meltpoolnet"), shared_data("in718_preheat"), shared_data("nist_amb2018_02")
    rows = meltpoolnet.geometry()
    assert len(rows) == 1806
    first = rows[0]
    assert (first.beam_power_w, first.scan_speed_m_per_s, first.beam_diameter_m) == (280.0, 1.2, 1e-4)
    known = meltpoolnet.measured(rows)
    assert len(known.rows) + sum(known.left_out.values()) == len(rows)
    assert {"19", "67"} <= set(known.papers["depth is the same share of width in every row"])
    assert len(chen()) == 80
    assert [round(s.spot_diameter_m * 1e6, -1) for s in simonds()] == [300.0] * 10
