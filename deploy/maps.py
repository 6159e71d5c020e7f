"""Maps: answers `process_map`: the process map that a page wants to draw, with where the cards here were trained."""

from typing import Any

from deploy.answers import UnansweredError

KIND = "process_map"
ARGUMENTS = ("material", "beam_diameter_m", "preheat_k", "hatch_spacing_m", "layer_thickness_m")


def process_maps(arguments: dict[str, Any]) -> dict[str, Any]:
    """arguments: those of `twin.process_map.Asked`; others (which cards the page knows) only tell two maps apart."""
    from twin.process_map import Asked, process_map

    try:
        asked = Asked(**{name: arguments[name] for name in ARGUMENTS})
        return process_map(asked, envelopes())
    except ValueError as error:
        raise UnansweredError(str(error)) from error


def envelopes() -> dict[str, dict[str, list[float]]]:
    """Of the shipped cards, as they serve: an HFluxNO's card tells that of its camera, its engine that of a process."""
    import json

    from operators import card
    from operators.conservative.engine import ENVELOPE

    found = {}
    for name in card.names():
        told = json.loads((card.WEIGHTS / f"{name}.json").read_text())
        found[name] = ENVELOPE if told.get("operator") == "HFluxNO" else told.get("envelope", {})
    return found
