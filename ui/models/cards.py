"""Cards: what the shipped operators say of themselves, read as files. No operator is loaded; nothing is made up.

A card is NAME.json beside NAME.safetensors in operators/weights. What was measured of it afterwards lies in
NAME-trust.json (calibration) and NAME-attribution.json (faithfulness); each names the weights that it is of.
"""

import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

REFERENCE = "reference"  # serves without weights
Told = dict[str, Any]


@dataclass(frozen=True)
class Card:
    """One card. `trust` and `attribution` are None where there is no such file, or it is of other weights."""

    name: str
    told: Told = field(repr=False)
    size: int = 0  # bytes of the weights
    sha256: str = ""  # of the weights as they lie there
    trust: Told | None = field(default=None, repr=False)
    attribution: Told | None = field(default=None, repr=False)

    @property
    def operator(self) -> str:
        """ASNO, HFluxNO, ..."""
        return str(self.told.get("operator", "ASNO"))

    @property
    def whole(self) -> bool:
        """Whether the weights are those that the card describes."""
        return self.sha256 == self.told.get("sha256", "")


def weights_folder() -> Path | None:
    """Where the shipped cards lie; found without loading the package."""
    spec = find_spec("operators")
    places = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(places))) / "weights" if places else None


def read_cards(folder: Path | None = None) -> tuple[Card, ...]:
    """Those of a folder (None: the shipped ones), by name. A file that is no card is none."""
    where = folder or weights_folder()
    if where is None or not where.is_dir():
        return ()
    return _read(where, tuple(sorted((path.name, path.stat().st_mtime_ns) for path in where.iterdir())))


@lru_cache(maxsize=4)
def _read(folder: Path, stamp: tuple[tuple[str, int], ...]) -> tuple[Card, ...]:
    """Read anew only when a file has changed."""
    told = {name[:-5]: _json(folder / name) for name, _ in stamp if name.endswith(".json")}
    return tuple(_card(folder, name, each, told) for name, each in told.items() if "sizes" in each)


def _card(folder: Path, name: str, card: Told, every: dict[str, Told]) -> Card:
    path = folder / f"{name}.safetensors"
    weights = path.read_bytes() if path.is_file() else b""
    sha256 = hashlib.sha256(weights).hexdigest() if weights else ""

    def beside(kind: str, key: str) -> Told | None:
        found = every.get(f"{name}-{kind}", {})
        return found if sha256 and found.get(key) == sha256 else None

    trust, attribution = beside("trust", "weights_sha256"), beside("attribution", "sha256")
    return Card(name, card, len(weights), sha256, trust, attribution)


def _json(path: Path) -> Told:
    try:
        told = json.loads(path.read_text())
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
