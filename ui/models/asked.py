"""Asked: what of the process map a page wants: its address, or else the newest build, says the alloy and the spot.

    ?card=NAME&material=IN625&spot_um=100&preheat_k=298&hatch_um=100&layer_um=40

The same arguments name the same request, so that a map is made once and seen by all.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from twin.material import MATERIALS
from ui.models.cards import Card

KIND = "process_map"
FIELDS = {"spot_um": "beam_diameter_m", "hatch_um": "hatch_spacing_m", "layer_um": "layer_thickness_m"}
BOUNDS = {"spot_um": (5.0, 5000.0), "preheat_k": (200.0, 1500.0), "hatch_um": (5.0, 5000.0), "layer_um": (1.0, 5000.0)}
LABELS = {"spot_um": "Spot, µm (D4σ)", "preheat_k": "Preheat, K", "hatch_um": "Hatch, µm", "layer_um": "Layer, µm"}
USUAL = {"material": "IN625", "spot_um": 100.0, "preheat_k": 298.15, "hatch_um": 100.0, "layer_um": 40.0}


def fields(asked: Mapping[str, str], builds: pd.DataFrame) -> dict[str, Any]:
    """The form's fields: as the address says, else as the newest build of a known alloy was planned, else the usual."""
    known = [row for row in builds.to_dict("records") if row["material"] in MATERIALS]
    of_alloy = [row for row in known if row["material"] == asked.get("material", row["material"])]
    found = dict(USUAL) | (_of_build(of_alloy[0]) if of_alloy else {})
    if asked.get("material") in MATERIALS:
        found["material"] = asked["material"]
    for name, (low, high) in BOUNDS.items():
        value = _number(asked.get(name))
        if value is not None and low <= value <= high:
            found[name] = value
    return found


def arguments(told: Mapping[str, Any], cards: Iterable[Card]) -> dict[str, Any]:
    """Of the request: SI, rounded so that what is equal to a person is equal; and which cards the page knows."""
    numbers = {name: float(f"{1e-6 * float(told[key]):.6g}") for key, name in FIELDS.items()}
    known = {card.name: card.sha256[:12] for card in cards}
    return {"material": told["material"], "preheat_k": float(told["preheat_k"])} | numbers | {"cards": known}


def _of_build(row: Mapping[Any, Any]) -> dict[str, Any]:
    hatch_m = row["hatch_spacing_m"]
    return {
        "material": row["material"], "spot_um": _round(1e6 * row["beam_diameter_m"]),
        "preheat_k": _round(row["preheat_k"]), "layer_um": _round(1e6 * row["layer_thickness_m"]),
        "hatch_um": USUAL["hatch_um"] if math.isnan(hatch_m) else _round(1e6 * hatch_m),
    }  # fmt: skip


def _round(value: float) -> float:
    return float(f"{value:.6g}")


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
