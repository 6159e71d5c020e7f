"""Card: the readable half of a checkpoint. Weights are safetensors beside it, never pickled."""

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from operators.camera.operator import CameraFluxNo
from operators.melt_pool.asno import Asno

WEIGHTS = Path(__file__).parent / "weights"
DEFAULT = "ASNO"
KINDS: dict[str, type[nn.Module]] = {DEFAULT: Asno, "HFluxNO": CameraFluxNo}
"""By the card's `operator`; each is built from the card's `sizes`."""


class CardError(Exception):
    """A card or its weights cannot be used."""


def save(folder: Path, name: str, model: nn.Module, card: dict[str, Any]) -> None:
    """Write NAME.safetensors and NAME.json."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / f"{name}.safetensors"
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, weights)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    told = {"name": name, "sizes": getattr(model, "sizes", {}), "sha256": digest, **card}
    (folder / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n")


def load(name: str, folder: Path = WEIGHTS, device: str = "cpu") -> tuple[Any, dict[str, Any]]:
    """The operator, ready to evaluate, and its card; CardError where a file is missing, cannot be read, or its checksum
    differs, or where the weights are not of the sizes that the card tells."""
    path, weights = folder / f"{name}.json", folder / f"{name}.safetensors"
    if not path.is_file() or not weights.is_file():
        raise CardError(f"no operator card {name} in {folder}; cards there: {', '.join(names(folder)) or 'none'}")
    card = _told(path)
    if missing := [key for key in ("sizes", "sha256") if key not in card]:
        raise CardError(f"{path} does not tell {' and '.join(missing)}")
    if hashlib.sha256(weights.read_bytes()).hexdigest() != card["sha256"]:
        raise CardError(f"{weights} is not the file that its card describes (sha256 differs)")
    kind = card.get("operator", DEFAULT)
    if kind not in KINDS:
        raise CardError(f"card {name} is of an operator that is not known here, {kind}: there are {', '.join(KINDS)}")
    try:
        model = KINDS[kind](**card["sizes"])
        model.load_state_dict(load_file(weights))
    except (TypeError, ValueError, RuntimeError, SafetensorError) as failure:
        raise CardError(f"{path} tells sizes that its weights are not of: {failure}") from failure
    return model.to(device).eval(), card


def names(folder: Path = WEIGHTS) -> list[str]:
    """Cards in a folder, each beside its weights; those of DEFAULT first: the first of all is what `auto` takes. What
    was measured of a card afterwards (NAME-trust, NAME-attribution) tells no sizes and is none. One that cannot be read
    is named with DEFAULT's, since nothing says that it is not: `load` says why."""
    kinds = {}
    for path in folder.glob("*.json"):
        try:
            card = _told(path)
        except CardError:
            card = {"sizes": {}}
        if "sizes" in card and path.with_suffix(".safetensors").is_file():
            kinds[path.stem] = card.get("operator", DEFAULT)
    return sorted(kinds, key=lambda name: (kinds[name] != DEFAULT, name))


def _told(path: Path) -> dict[str, Any]:
    """What a file tells; CardError where it is no card."""
    try:
        card = json.loads(path.read_text())
    except (OSError, ValueError) as failure:
        raise CardError(f"{path} cannot be read: {failure}") from failure
    if not isinstance(card, dict):
        raise CardError(f"{path} is no card")
    return card
