"""Derive: rows from messages and forecasts. Pure functions; `write` commits what they give together.

A thing's row (machine, build, layer) is the newest word about it by `received_s`, and bounds are minima and maxima, so
the order in which steps are written does not matter.
"""

import json
from typing import Any

from twin.forecast import Forecast, Lead
from twin.observation import Build, Frame, Layer, Observation, Parameters, Plan, Signal, State
from twin.store.packing import ABSORBED, pack_frame, pack_samples, plain_text

Row = dict[str, Any]


def end_s(message: Layer | Parameters) -> float:
    """The last process time that a message speaks of."""
    return float(message.sample_time_s[-1] if isinstance(message, Parameters) else message.time_s)


def machine_row(known: Row | None, observation: Observation, received_s: float) -> Row:
    """What is known of a machine after one more observation: status and build are the last received ones."""
    message = observation.message
    row = known or {
        "machine": observation.machine,
        "site": observation.site,
        "status": None,
        "origin": None,
        "process": None,
        "time_factor": 1.0,
        "note": "",
        "status_received_s": None,
        "build": None,
        "build_received_s": None,
        "last_sent_s": None,
    }
    if message.sent_s is not None:
        row["last_sent_s"] = max(message.sent_s, row["last_sent_s"] or message.sent_s)
    if isinstance(message, State):
        if row["status_received_s"] is None or received_s >= row["status_received_s"]:
            row |= {
                "site": observation.site,
                "status": message.status,
                "origin": message.origin,
                "process": message.process,
                "time_factor": message.time_factor,
                "note": plain_text(message.note),
                "status_received_s": received_s,
            }
    elif row["build_received_s"] is None or received_s >= row["build_received_s"]:
        row |= {"build": message.build, "build_received_s": received_s}
    return row


def build_row(known: Row | None, machine: str, message: Build, received_s: float) -> Row:
    """The newest build message under its name."""
    if known is not None and received_s < known["received_s"]:
        return known
    columns = message.model_dump(exclude={"version", "kind", "assumed"})
    columns["part"] = plain_text(message.part)
    columns["data_hash"] = plain_text(message.data_hash)
    return {"machine": machine, "received_s": received_s, "assumed": json.dumps(message.assumed), **columns}


def layer_row(known: Row | None, machine: str, message: Layer | Parameters, received_s: float) -> Row:
    """What is known of a layer after one more message; it is final once its final parameters are in."""
    row = known or {
        "machine": machine,
        "build": message.build,
        "layer": message.layer,
        "z_m": None,
        "note": "",
        "begun_s": None,
        "begun_received_s": None,
        "last_time_s": end_s(message),
        "final": False,
        "received_s": received_s,
    }
    row["last_time_s"] = max(row["last_time_s"], end_s(message))
    row["received_s"] = max(row["received_s"], received_s)
    if isinstance(message, Parameters):
        row["final"] = row["final"] or message.final
    elif row["begun_received_s"] is None or received_s >= row["begun_received_s"]:
        row |= {
            "z_m": message.z_m,
            "note": plain_text(message.note),
            "begun_s": message.time_s,
            "begun_received_s": received_s,
        }
    return row


def parameters_row(machine: str, source: str, message: Parameters) -> Row:
    """One row a message, however many samples it has."""
    return {
        "machine": machine,
        "build": message.build,
        "layer": message.layer,
        "first_time_s": message.sample_time_s[0],
        "source": source,
        "sequence": message.sequence,
        "last_time_s": message.sample_time_s[-1],
        "final": message.final,
        "samples": len(message.sample_time_s),
        "columns": pack_samples(message),
    }


def scan_vector_rows(machine: str, source: str, message: Plan) -> list[Row]:
    """One row a planned vector."""
    return [
        {
            "machine": machine,
            "build": message.build,
            "layer": message.layer,
            "plan_time_s": message.time_s,
            "sequence": message.sequence,
            "source": source,
            "vector": message.first_vector + i,
            "plan_start_s": message.start_s[0],
            "start_s": message.start_s[i],
            "x0_m": message.x0_m[i],
            "y0_m": message.y0_m[i],
            "x1_m": message.x1_m[i],
            "y1_m": message.y1_m[i],
            "z_m": message.z_m[i],
            "beam_power_w": message.beam_power_w[i],
            "scan_speed_m_per_s": message.scan_speed_m_per_s[i],
            "dwell_s": None if message.dwell_s is None else message.dwell_s[i],
        }
        for i in range(len(message.start_s))
    ]


def signal_rows(machine: str, source: str, message: Signal) -> list[Row]:
    """One row a sample."""
    return [
        {
            "machine": machine,
            "build": message.build,
            "time_s": time_s,
            "name": message.name,
            "source": source,
            "sequence": message.sequence,
            "sample": sample,
            "layer": message.layer,
            "value": value,
        }
        for sample, (time_s, value) in enumerate(zip(message.sample_time_s, message.value, strict=True))
    ]


def frame_row(machine: str, source: str, message: Frame, received_s: float) -> Row:
    """One row a picture."""
    return {"machine": machine, "received_s": received_s} | pack_frame(message) | {"source": source}


def forecast_row(identity: int, forecast: Forecast) -> Row:
    """A forecast without its sizes; numbers may come as numpy scalars, drivers want their own."""
    return {
        "id": identity,
        "machine": forecast.machine,
        "build": forecast.build,
        "layer": forecast.layer,
        "frame": forecast.frame,
        "time_s": float(forecast.time_s),
        "issued_s": float(forecast.issued_s),
        "sent_s": forecast.sent_s,
        "operator": forecast.operator,
        "outcome_kind": forecast.outcome.kind,
        "outcome_which": plain_text(forecast.outcome.which),
        "outcome_by": float(forecast.outcome.by),
        "outcome_unit": forecast.outcome.unit,
        "regime": forecast.regime,
        "keyhole_number": None if forecast.keyhole_number is None else float(forecast.keyhole_number),
        "laser_on": bool(forecast.laser_on),
        "withheld": not forecast.leads,
        "opinion": forecast.opinion,
        "ledger_defect": None if forecast.ledger_defect is None else float(forecast.ledger_defect),
        **{name: getattr(forecast.absorbed, own, None) for name, own in ABSORBED.items()},
        "credibility": None if forecast.credibility is None else float(forecast.credibility),
        "strangest": forecast.strangest,
        "evidence": plain_text(forecast.evidence),
    }


def melt_pool_rows(identity: int, forecast: Forecast) -> list[Row]:
    """One row a lead."""
    return [
        {
            "forecast_id": identity,
            "lead": number,
            "lead_s": float(lead.lead_s),
            "time_s": float(lead.time_s),
            "length_m": float(lead.melt_pool.length_m),
            "width_m": float(lead.melt_pool.width_m),
            "depth_m": float(lead.melt_pool.depth_m),
            "x_m": float(lead.x_m),
            "y_m": float(lead.y_m),
            "beam_power_w": float(lead.beam_power_w),
            **band_columns(lead),
        }
        for number, lead in enumerate(forecast.leads)
    ]


def calibration_rows(identity: int, forecast: Forecast) -> list[Row]:
    """One row a quantity that was estimated anew."""
    place = {"forecast_id": identity, "machine": forecast.machine, "build": forecast.build}
    return [
        place | {"time_s": float(forecast.time_s), "made_s": float(forecast.issued_s)} | vars(each)
        for each in forecast.calibrated
    ]


def band_columns(lead: Lead) -> dict[str, float | None]:
    """Low and high of each size, and the coverage; None where no band is claimed."""
    sizes: dict[str, float | None] = {
        f"{size}_{end}_m": None if lead.band is None else float(getattr(getattr(lead.band, end), f"{size}_m"))
        for size in ("length", "width", "depth")
        for end in ("low", "high")
    }
    return sizes | {"coverage": None if lead.band is None else float(lead.band.coverage)}
