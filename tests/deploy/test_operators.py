"""Which operator a name of the settings means, and that each of several is loaded once."""

from pathlib import Path

import pytest

from deploy import wiring
from deploy.errors import MeltwinError
from deploy.settings import load
from operators import card
from operators.camera.operator import CameraFluxNo
from operators.conservative.engine import Conservative
from operators.engine import Engine
from operators.reference.operator import ReferenceOperator


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a card of HFluxNO, untrained, in the place of the shipped ones."""
    card.save(tmp_path, "hfluxno-melt-pool", CameraFluxNo(width=8, depth=1), {"operator": "HFluxNO"})
    kept = card.load
    monkeypatch.setattr(card, "names", lambda folder=tmp_path: ["hfluxno-melt-pool"])
    monkeypatch.setattr(card, "load", lambda name, folder=tmp_path, device="cpu": kept(name, tmp_path, device))
    return tmp_path


def test_a_name_means_a_card_the_solver_or_the_engine_without_weights() -> None:
    names = {"reference": ReferenceOperator, "conservative": Conservative, "asno-melt-pool": Engine, "auto": Engine}
    for name, kind in names.items():
        operator = wiring.operator_of(load(operator=name, device="cpu"))
        assert isinstance(operator, kind)
        assert operator.card["name"] == ("asno-melt-pool" if name == "auto" else name)
    with pytest.raises(MeltwinError, match=r"no operator card nobody.*operators, opinions"):
        wiring.operator_of(load(operator="nobody", device="cpu"))


def test_a_card_of_hfluxno_is_served_by_the_conservative_engine(cards: Path) -> None:
    operator = wiring.operator_of(load(operator="hfluxno-melt-pool", device="cpu"))
    assert isinstance(operator, Conservative)
    assert operator.card["name"] == "hfluxno-melt-pool"
    assert len(operator.card["sha256"]) == 64
    assert set(operator.card["envelope"]) >= {"q", "peclet"}


def test_each_operator_is_loaded_once_and_the_solver_stands_behind_all() -> None:
    opinions = ("asno-melt-pool", "reference")
    settings = load(operator="conservative", operators={"m2": "asno-melt-pool"}, opinions=opinions, device="cpu")
    twins = wiring.warm_twins(settings)
    assert list(twins) == ["", "asno-melt-pool", "reference"]
    names = {opinion: [operator.card["name"] for operator in twin.serving] for opinion, twin in twins.items()}
    assert names == {
        "": ["conservative", "asno-melt-pool", "reference"],
        "asno-melt-pool": ["asno-melt-pool", "reference"],
        "reference": ["reference"],
    }
    assert len({id(operator) for twin in twins.values() for operator in twin.serving}) == 3
