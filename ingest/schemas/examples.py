"""One short message of every kind, for the documents and their tests."""

import numpy as np
from pydantic import BaseModel

from twin.alarms.messages import AckMessage, AlertMessage, ForecastMessage, PublishedLead, Standing
from twin.observation import Build, Frame, Layer, Message, Parameters, Plan, Signal, State


def examples() -> dict[str, Message]:
    """By kind; a hundred micrometres of a track of IN718."""
    said = {"source": "ded-1-2026-11-21", "sequence": 0, "time_s": 12.0, "sent_s": 1795600000.25}
    place = {"build": "wall-7", "layer": 3}
    return {
        "state": State(**said, status="online", process="ded"),
        "build": Build(
            **said, build="wall-7", material="IN718", beam_diameter_m=8e-4, layer_thickness_m=4e-4,
            nominal_beam_power_w=360.0, nominal_scan_speed_m_per_s=0.01, frame_s=0.02, layers=40,
            assumed=["preheat_k"],
        ),
        "layer": Layer(**said, **place, z_m=1.2e-3),
        "parameters": Parameters(
            **said, **place, sample_time_s=[12.0, 12.01], x_m=[0.0, 1e-4], y_m=[0.0, 0.0], z_m=[1.2e-3, 1.2e-3],
            beam_power_w=[360.0, 360.0],
        ),
        "plan": Plan(
            **said, **place, start_s=[12.0], x0_m=[0.0], y0_m=[0.0], x1_m=[0.02], y1_m=[0.0], z_m=[1.2e-3],
            beam_power_w=[360.0], scan_speed_m_per_s=[0.01],
        ),
        "signal": Signal(
            **said, **place, name="melt_pool_width_m", sample_time_s=[12.0, 12.01], value=[8.1e-4, 8.2e-4]
        ),
        "frame": Frame(
            **said, **place, quantity="temperature_k", rows=2, columns=3, pixel_m=2e-5, exposure_s=1e-4,
            sensor_min=900.0, sensor_max=3000.0, scale=0.5, dtype="uint16",
            value=np.array([2400, 3600, 2400, 2300, 3400, 2300], dtype=np.uint16),
        ),
    }  # type: ignore[arg-type]  # fmt: skip


def examples_of_others() -> dict[str, BaseModel]:
    """What the twin says of that track, and what a person says to it."""
    sent_s = 1795600002.5
    keyhole = Standing(
        build="wall-7", alert="keyhole", occurrence=2, state="unacknowledged", severity="medium",
        status="out_of_specification", layer=3, x_m=1e-4, y_m=0.0, first_seen_s=1795600000.5, last_seen_s=sent_s,
        evidence="keyhole number 6.8, deep above 6", action="lower the power or raise the speed",
    )  # fmt: skip
    lead = PublishedLead(lead_s=0.0, length_m=1.9e-3, width_m=9.4e-4, depth_m=3.5e-4, x_m=1e-4, y_m=0.0)
    return {
        "alert": AlertMessage(source="twin", sent_s=sent_s, sequence=17, alerts=[keyhole]),
        "ack": AckMessage(
            source="hall-panel", sent_s=sent_s, build="wall-7", alert="keyhole", occurrence=2, by="Ada Lovelace",
            note="power lowered to 340 W",
        ),
        "forecast": ForecastMessage(
            source="twin", sent_s=sent_s, build="wall-7", layer=3, frame=600, time_s=12.01, operator="asno-melt-pool",
            outcome="ok", regime="conduction", keyhole_number=1.3, leads=[lead],
        ),
    }  # fmt: skip
