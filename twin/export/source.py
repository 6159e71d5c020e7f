"""Source: which build is meant, its tables, and where its numbers come from."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from twin.export.table import ExportError

if TYPE_CHECKING:
    from twin.store.holdings import Holdings

EVERYTHING = 1_000_000_000  # rows


class Place(NamedTuple):
    """A build of a machine."""

    machine: str
    build: str


def find(store: "Holdings", named: str) -> Place:
    """The build of this name, `machine/build`, or the newest of a machine. An ExportError lists what there is."""
    builds = store.builds()
    known = [Place(row.machine, row.build) for row in builds.itertuples()]
    exact = [place for place in known if named in (place.build, f"{place.machine}/{place.build}")]
    of_machine = [place for place in known if place.machine == named]
    found = exact or of_machine[-1:]
    if len(found) > 1:
        raise ExportError(f"{named} is a build of {len(found)} machines: name one as {'/'.join(found[-1])}")
    if not found:
        newest = ", ".join("/".join(place) for place in known[-5:][::-1]) or "none yet"
        raise ExportError(f"there is no build or machine {named!r}; the newest are {newest}")
    return found[0]


def provenance(store: "Holdings", place: Place) -> dict[str, Any]:
    """What made the numbers: program, build message with data hash and assumptions, the cards of its forecasts."""
    message = store.build(place.machine, place.build) or {}
    cards = {name: store.card(name) for name in store.operators(*place)}
    return {
        "program": f"meltwin {_version()}",
        "machine": place.machine,
        "build": place.build,
        "data_hash": message.get("data_hash", ""),
        "assumed": message.get("assumed", []),
        "build_message": {name: value for name, value in message.items() if value is not None},
        "cards": {name: card for name, card in cards.items() if card is not None},
    }


def _version() -> str:
    try:
        return version("meltwin")
    except PackageNotFoundError:
        return "from source"


def _parameters(store: "Holdings", place: Place) -> pd.DataFrame:
    layers = list(store.layers(*place).layer)
    tables = [store.parameters(*place, layer).assign(layer=layer) for layer in layers]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _vectors(store: "Holdings", place: Place) -> pd.DataFrame:
    layers = list(store.layers(*place).layer)
    tables = [store.scan_vectors(*place, layer).assign(layer=layer) for layer in layers]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _alerts(store: "Holdings", place: Place) -> pd.DataFrame:
    alerts = store.alerts(place.machine, limit=EVERYTHING)
    return alerts[alerts.build == place.build].reset_index(drop=True)


TABLES: dict[str, Callable[["Holdings", Place], pd.DataFrame]] = {
    "forecasts": lambda store, place: store.forecasts(*place),
    "parameters": _parameters,
    "scan_vectors": _vectors,
    "signals": lambda store, place: store.all_signals(*place),
    "pictures": lambda store, place: store.frames(place.machine, build=place.build, limit=EVERYTHING),
    "layers": lambda store, place: store.layers(*place),
    "alerts": _alerts,
}
"""Tables of a build that can be exported alone; `parameters` are the samples of what the beam did."""
