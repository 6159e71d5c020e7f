"""Wiring: the only place that names concrete adapters. Everything else takes ports."""

from deploy.wiring.lines import (
    access,
    broker,
    closer,
    herald,
    mqtt_source,
    publisher,
    publisher_of,
    simulated_machines,
    sparkplug_stage,
)
from deploy.wiring.loop import monitor, run_loop
from deploy.wiring.recordings import bring, direct_source, open_recording, opened_recording
from deploy.wiring.store import ask, holdings, open_store, page_access, people, read_store, store_lost, stored
from deploy.wiring.twins import (
    attribution,
    cards,
    choose_device,
    estimated,
    forecast_again,
    melt_pool_query,
    operator_of,
    promotions,
    twin,
    warm_twins,
)

__all__ = [
    "access",
    "ask",
    "attribution",
    "bring",
    "broker",
    "cards",
    "choose_device",
    "closer",
    "direct_source",
    "estimated",
    "forecast_again",
    "herald",
    "holdings",
    "melt_pool_query",
    "monitor",
    "mqtt_source",
    "open_recording",
    "open_store",
    "opened_recording",
    "operator_of",
    "page_access",
    "people",
    "promotions",
    "publisher",
    "publisher_of",
    "read_store",
    "run_loop",
    "simulated_machines",
    "sparkplug_stage",
    "store_lost",
    "stored",
    "twin",
    "warm_twins",
]
