"""What the page reads of cards and results: only what the files say, of the weights that lie there."""

import json
import shutil
import statistics
from pathlib import Path

import pytest

from operators import card as operator_card
from ui.models.asked import USUAL, arguments, fields
from ui.models.calibration import calibration
from ui.models.cards import Card, read_cards, weights_folder
from ui.models.limits import limits
from ui.models.results import FOLDER, of_card, read_results

ASNO, CAMERA = "asno-melt-pool", "hfluxno-melt-pool"


def named(name: str, folder: Path | None = None) -> Card:
    return next(card for card in read_cards(folder) if card.name == name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped cards."""
    for path in operator_card.WEIGHTS.iterdir():
        shutil.copy(path, tmp_path)
    return tmp_path


def test_the_cards_are_those_that_the_run_process_can_load() -> None:
    assert weights_folder() == operator_card.WEIGHTS
    assert [card.name for card in read_cards()] == sorted(operator_card.names())
    for card in read_cards():
        assert card.whole
        assert card.told == json.loads((operator_card.WEIGHTS / f"{card.name}.json").read_text())
        assert card.size == (operator_card.WEIGHTS / f"{card.name}.safetensors").stat().st_size


def test_a_file_that_is_changed_is_read_again_and_other_weights_are_told(folder: Path) -> None:
    assert named(ASNO, folder).whole
    path = folder / f"{ASNO}.safetensors"
    path.write_bytes(path.read_bytes() + b"!")
    changed = named(ASNO, folder)
    assert not changed.whole
    assert (changed.trust, changed.attribution) == (None, None), "what was measured is of other weights"
    assert "cannot serve" in limits(changed, None)[0]


def test_what_is_no_card_is_none(folder: Path) -> None:
    (folder / "notes.json").write_text("[1")
    (folder / "more.json").write_text('{"name": "x"}')
    assert [card.name for card in read_cards(folder)] == [ASNO, CAMERA]
    assert read_cards(folder / "gone") == ()


def test_tables_have_trivial_and_classical_rows_before_what_was_learned() -> None:
    tables = read_results()
    assert tables[0].suite == "melt_pool"
    assert len(tables) > 10
    for table in tables:
        kinds = [row[1] for row in table.rows]
        assert kinds == sorted(kinds, key=("trivial", "classical", "learned").index), table.suite
        assert "trivial" in kinds
        assert "learned" in kinds
        assert table.command.startswith("./meltwin validate ")
        assert table.made.startswith("20")
        assert {len(row) for row in table.rows} <= {len(table.header), 3}


def test_a_cell_is_what_the_file_says() -> None:
    (table,) = [table for table in read_results() if table.suite == "melt_pool_camera"]
    rows = json.loads((FOLDER / "melt_pool_camera" / "results.json").read_text())["rows"]
    rows = [row for row in rows if row["operator"] == "hfluxno" and row["budget"] == table.budget]
    (mine,) = [cells for cells in table.rows if cells[0] == "hfluxno"]
    errors = [row["errors"]["id"]["error"] for row in rows]
    told, _, spread = mine[table.header.index("id error")].partition(" ±")
    assert told == f"{sum(errors) / len(errors):.3g}"
    assert float(spread or 0) == pytest.approx((max(errors) - min(errors)) / 2, rel=0.1)
    assert mine[table.header.index("seeds")] == str(len({row["seed"] for row in rows}))
    assert mine[table.header.index("ms a step")] == f"{statistics.median(row['latency_ms'] for row in rows):.3g}"


def test_seeds_are_put_together(tmp_path: Path) -> None:
    row = {
        "suite": "heat", "operator": "asno", "kind": "learned", "budget": "small", "parameters": 5, "seconds": 9.0,
        "latency_ms": 2.0, "refused": "", "made": {"date": "2026-01-02", "device": "a GPU"},
    }  # fmt: skip
    rows = [row | {"seed": n, "errors": {"id": {"rollout": value}}} for n, value in enumerate((0.1, 0.3))]
    rows += [row | {"seed": 0, "budget": "smoke", "errors": {"id": {"rollout": 9.0}}}]
    (tmp_path / "heat").mkdir()
    (tmp_path / "heat" / "results.json").write_text(json.dumps({"rows": rows}))
    (table,) = read_results(tmp_path)
    assert (table.budget, table.made) == ("small", "2026-01-02, on a GPU")
    assert table.rows == (("asno", "learned", "0.2 ±0.1", "2", "5", "9", "2"),)


def test_the_budget_with_most_operators_speaks(tmp_path: Path) -> None:
    row = {
        "suite": "heat", "kind": "learned", "seed": 0, "parameters": 5, "seconds": 9.0, "latency_ms": 2.0,
        "refused": "", "made": {"date": "2026-01-02", "device": "a GPU"},
    }  # fmt: skip

    def told(*pairs: tuple[str, str]) -> str:
        rows = [row | {"operator": name, "budget": at, "errors": {"id": {"rollout": 0.1}}} for name, at in pairs]
        (tmp_path / "heat").mkdir(exist_ok=True)
        (tmp_path / "heat" / "results.json").write_text(json.dumps({"rows": rows}))
        return read_results(tmp_path)[0].budget

    assert told(("asno", "small"), ("fno", "small"), ("asno", "medium")) == "small"
    assert told(("asno", "small"), ("asno", "medium")) == "medium"


def test_without_a_checkout_there_are_no_results(tmp_path: Path) -> None:
    assert read_results(tmp_path / "gone") == ()
    assert calibration(named(ASNO), tmp_path / "gone") is None
    assert any("not checked here" in each for each in limits(named(ASNO), None))


def test_a_card_finds_the_suites_in_which_it_was_held_against_others() -> None:
    suites = [table.suite for table in of_card(read_results(), ASNO, "ASNO")]
    assert suites[0] == "melt_pool"
    assert "lorenz" in suites
    assert "burgers" not in suites
    assert "burgers" in [table.suite for table in of_card(read_results(), CAMERA, "HFluxNO")]


def test_calibration_is_of_these_weights_and_says_what_does_not_hold() -> None:
    card = named(ASNO)
    found = calibration(card)
    assert found is not None
    everything = next(each for each in found.held if (each.group, each.size) == ("all", "width"))
    assert everything.low < everything.share < everything.high
    missed = {(each.group, each.size) for each in found.held if not each.holds(found.wanted)}
    for each in found.held:
        assert ((each.group, each.size) in missed) == (not each.low <= found.wanted <= each.high)
    told = " ".join(limits(card, found))
    for group, size in missed:
        assert f"{size} of {group}" in told
    about = json.loads((FOLDER / "trust" / "results.json").read_text())["about"][found.budget]["alarms"]
    assert (found.uneven, found.false_alarms) == (about["largest excess over even"], about["false alarms"])
    blind = [family.name for family in found.families if family.missed]
    assert blind
    assert all(name in told for name in blind)
    assert calibration(named(CAMERA)) is None
    assert any("were not calibrated" in each for each in limits(named(CAMERA), None))


def test_attributions_below_what_is_wanted_are_among_the_limits() -> None:
    card = named(ASNO)
    assert card.attribution is not None
    told = " ".join(limits(card, None))
    for kind, maps in card.attribution["maps"].items():
        for of, each in maps.items():
            assert (f"{kind} of {of}" in told) == (each["median"] < card.attribution["wanted"])


def builds(**fields: object) -> object:
    import pandas as pd

    row = {"material": "SS316L", "beam_diameter_m": 77e-6, "preheat_k": 353.0, "hatch_spacing_m": float("nan"),
           "layer_thickness_m": 3e-5}  # fmt: skip
    return pd.DataFrame([row | fields])


def test_the_map_is_of_what_the_address_says_else_of_the_newest_build() -> None:
    assert fields({}, builds().head(0)) == USUAL  # type: ignore[attr-defined]
    found = fields({}, builds())  # type: ignore[arg-type]
    assert (found["material"], found["spot_um"], found["hatch_um"], found["layer_um"]) == ("SS316L", 77.0, 100.0, 30.0)
    asked = {"material": "IN718", "spot_um": "70", "preheat_k": "nan", "layer_um": "-3", "hatch_um": "x"}
    found = fields(asked, builds())  # type: ignore[arg-type]
    assert (found["material"], found["spot_um"]) == ("IN718", 70.0)
    assert (found["preheat_k"], found["layer_um"]) == (USUAL["preheat_k"], USUAL["layer_um"])
    assert fields({"material": "butter"}, builds())["material"] == USUAL["material"]  # type: ignore[arg-type]


def test_equal_fields_are_one_request_and_other_weights_another() -> None:
    cards = read_cards()
    told = arguments(USUAL, cards)
    assert told == arguments(dict(USUAL) | {"spot_um": 100.0 + 1e-9}, cards)
    assert told["beam_diameter_m"] == 1e-4
    assert told != arguments(USUAL, cards[:1])
    assert json.loads(json.dumps(told)) == told
