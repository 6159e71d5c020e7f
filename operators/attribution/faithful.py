"""Faithful: what has been measured of the maps of a card, and which of them may be shown.

The figures lie beside the weights as CARD-attribution.json and name them by their checksum: weights that were trained
again have none until `python -m tests.validation attribution` has measured theirs.
"""

import json
from pathlib import Path
from typing import Any

from operators.card import WEIGHTS

WANTED = 0.9  # rank correlation with the adjoint of the reference, in the median over cases
FEWEST = 5  # cases of a number, for a median to speak of
MAPS = ("parameter", "spatial")


def path_of(name: str, folder: Path = WEIGHTS) -> Path:
    """Where the figures of a card lie."""
    return folder / f"{name}-attribution.json"


def measured(card: dict[str, Any], folder: Path = WEIGHTS) -> dict[str, Any]:
    """The figures of a card; empty where there are none, or they are of other weights."""
    path = path_of(card["name"], folder)
    told = json.loads(path.read_text()) if path.is_file() else {}
    return told if told.get("sha256") == card.get("sha256") is not None else {}


def withheld(card: dict[str, Any], kind: str, of: str, folder: Path = WEIGHTS) -> str:
    """Why a map of a card (one of MAPS) for a number is not to be shown; empty where it may be."""
    told = measured(card, folder)
    if not told:
        return f"nobody has measured how faithful the maps of {card['name']} are"
    row = told["maps"][kind].get(of)
    if row is None:
        return f"the {kind} map of the {of} has not been measured"
    if row["cases"] < FEWEST:
        return f"the {kind} map of the {of} has been measured on {row['cases']} cases only, and {FEWEST} are wanted"
    if row["median"] < told["wanted"]:
        return (
            f"the {kind} map of the {of} fails its own test: its rank correlation with the reference's adjoint is "
            f"{row['median']:.2f} in the median of {row['cases']} cases, and {told['wanted']} is wanted"
        )
    return ""
