"""Limits: what a card may not claim, in sentences, each from a number that was measured or from what the card says."""

from ui.models.calibration import Calibration
from ui.models.cards import Card

OF_METAL = (
    "Trained on, and measured against, the reference solver, not metal: how far the reference is from measured tracks "
    "stands in docs/reference.md."
)


def limits(card: Card, found: Calibration | None) -> list[str]:
    """Sentences; the gravest first."""
    told = []
    if not card.whole:
        told.append("The weights are not those that the card describes: it cannot serve.")
    told.append(OF_METAL)
    told.append("Outside its envelope it forecasts nothing: the reference does, and the forecast says so.")
    if card.trust is None:
        told.append("No band and no p-value: these weights were not calibrated. Nothing is claimed about an error.")
    elif found is None:
        told.append("Its calibration was not checked here: there are no results of these weights.")
    else:
        told += _missed(found)
    return told + _unfaithful(card)


def _missed(found: Calibration) -> list[str]:
    told = []
    blind = [
        f"{each.name} (AUROC {each.auroc:.2f}, error {each.times:.0f} times)" for each in found.families if each.missed
    ]
    if blind:
        told.append(f"It does not notice: {'; '.join(blind)}. Only a sensor can.")
    off = [
        f"{each.size} of {each.group} {each.share:.1%} [{each.low:.1%}, {each.high:.1%}]"
        for each in found.held
        if not each.holds(found.wanted)
    ]
    if off:
        told.append(f"Bands that do not hold {found.wanted:.0%} to within their interval: {'; '.join(off)}.")
    told.append(
        f"A band holds in {found.wanted:.0%} of forecasts like those that it was calibrated on, each size by itself; "
        "a build whose every frame is hard has more than its share outside."
    )
    return told


def _unfaithful(card: Card) -> list[str]:
    """Attributions that are not shown, because their measured faithfulness is below what is wanted."""
    if card.attribution is None:
        return ["Its forecasts are not attributed to moments or places: no faithfulness was measured."]
    wanted = float(card.attribution["wanted"])
    low = [
        f"{kind} of {of} ({told['median']:.2f})"
        for kind, maps in card.attribution["maps"].items()
        for of, told in maps.items()
        if told["median"] < wanted
    ]
    if not low:
        return []
    return [f"Attributions that are not shown, since their rank agreement with the adjoint is below {wanted:g}: "
            f"{'; '.join(low)}."]  # fmt: skip
