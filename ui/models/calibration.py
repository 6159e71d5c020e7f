"""Calibration: how often a card's bands held, whether its p-values are even, and which faults its scores tell from what
it was checked on; as `validate trust` left it, for the weights that it names and no others."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ui.models.cards import Card
from ui.models.results import BUDGETS, FOLDER

SIZES = ("length", "width", "depth", "field")
MUCH = 2.0  # times the error in distribution: a family that errs so much more is to be noticed (docs/trust.md)
GOAL = 0.95  # AUROC


@dataclass(frozen=True)
class Held:
    """How often the band of one size held in one group of draws, with its 95 % interval, and half of the band over the
    size."""

    group: str
    size: str
    draws: int
    share: float
    low: float
    high: float
    half_width: float

    def holds(self, wanted: float) -> bool:
        """Whether the interval has what is promised in it."""
        return self.low <= wanted <= self.high


@dataclass(frozen=True)
class Family:
    """A kind of fault: how much larger the error is, in the median, and how well the scores tell it (AUROC)."""

    name: str
    draws: int
    times: float
    auroc: float

    @property
    def missed(self) -> bool:
        return self.times > MUCH and self.auroc < GOAL


@dataclass(frozen=True)
class Calibration:
    """Of one card. `uneven`: by how much the share of draws in distribution at or below a p-value exceeds it, at most;
    an even p-value has 0. `false_alarms`: the share of those draws at or below `alarm_at`."""

    wanted: float
    budget: str
    made: str
    held: tuple[Held, ...]
    families: tuple[Family, ...]
    uneven: float
    alarm_at: float
    false_alarms: float

    @property
    def command(self) -> str:
        return f"./meltwin validate trust --budget {self.budget}"


def calibration(card: Card, folder: Path = FOLDER) -> Calibration | None:
    """What was found of these very weights; None where nothing was, or where no checkout is."""
    path = folder / "trust" / "results.json"
    if card.trust is None or not path.is_file():
        return None
    told: dict[str, Any] = json.loads(path.read_text())
    mine = [budget for budget, about in told["about"].items() if card.sha256.startswith(about.get("weights", "?"))]
    if not mine:
        return None
    budget = max(mine, key=BUDGETS.index)
    rows = {row["operator"]: row for row in told["rows"] if row["budget"] == budget}
    if "bands" not in rows:
        return None
    alarms, made = told["about"][budget].get("alarms", {}), rows["bands"]["made"]
    return Calibration(
        float(card.trust["coverage"]),
        budget,
        f"{made['date']}, on {made['device']}",
        tuple(
            _held(group, each, size)
            for group, each in rows["bands"]["errors"].items()
            for size in SIZES
            if size in each
        ),
        tuple(
            Family(name, int(each["draws"]), each["error ratio"], each["auroc"])
            for name, each in rows.get("combined", {"errors": {}})["errors"].items()
        ),
        float(alarms.get("largest excess over even", 0.0)),
        float(alarms.get("at", 0.0)),
        float(alarms.get("false alarms", 0.0)),
    )


def _held(group: str, told: dict[str, float], size: str) -> Held:
    low, high, half = (told[f"{size} {name}"] for name in ("low", "high", "half-width"))
    return Held(group, size, int(told["draws"]), told[size], low, high, half)
