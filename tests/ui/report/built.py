"""A made-up build in a store, with something of everything that a report tells, in as many layers as are asked for."""

import math
from typing import Any

from sqlalchemy import update

from tests.ui.synthetic import ellipsoid_field
from twin.forecast import Alert, Forecast, Lead, MeltPool, Outcome
from twin.observation import (
    Birth,
    Build,
    Gap,
    Layer,
    Message,
    Observation,
    Parameters,
    Rejected,
    Signal,
    Skipped,
    State,
)
from twin.store.port import Step
from twin.store.sql.store import SqlStore
from twin.store.tables import AlertRow

MACHINE, BUILD, PART = "m7", "bracket-12", 'P5 <bracket> & "lug"'
BEGUN_S = 1_700_000_000.0  # wall clock of the first message
FRAME_S, WIDTH_M, BIAS_M = 62.5e-6, 150e-6, 7e-6
LAYER_S = 10.0  # from one layer to the next, process time
CARD = {
    "name": "asno-small-1", "operator": "ASNO", "sha256": "ab" * 32, "data": {"trajectories": 1600, "seed": 0},
    "envelope": {"q": [2.0, 80.0], "peclet": [1.2, 75.0]},
    "validation": {"of": ["length", "width"], "test": {"median": [0.01, 0.02]}, "by_seed": [{"x": 1}]},
}  # fmt: skip


def width_m(layer: int, frame: int) -> float:
    """What the twin estimates: smooth, a little wider with each layer."""
    return WIDTH_M * (1 + 0.002 * layer + 0.03 * math.sin(frame / 9))


def said(message: Message) -> Observation:
    return Observation("hall-a", MACHINE, message, f"meltwin/v1/hall-a/{MACHINE}/{message.channel}")  # type: ignore[arg-type]


def opening(layers: int, **build: Any) -> list[Message]:
    who: dict[str, Any] = {"source": MACHINE, "sequence": 0, "time_s": 0.0, "sent_s": BEGUN_S}
    constant: dict[str, Any] = {
        "build": BUILD, "material": "IN625", "beam_diameter_m": 100e-6, "layer_thickness_m": 40e-6, "preheat_k": 353.15,
        "nominal_beam_power_w": 195.0, "nominal_scan_speed_m_per_s": 0.8, "frame_s": FRAME_S, "part": PART,
        "layers": layers, "assumed": ["beam_diameter_m", "absorptivity"], "data_hash": "f" * 64,
    }  # fmt: skip
    return [State(status="online", origin="replay", process="lpbf", **who), Build(**(constant | build), **who)]


def layer_messages(layer: int, frames: int, note: str = "", sent_s: float = BEGUN_S) -> list[Message]:
    begin_s = layer * LAYER_S
    times_s = [begin_s + i * FRAME_S for i in range(frames + 1)]
    path = [place(i) for i in range(frames + 1)]
    who: dict[str, Any] = {"source": MACHINE, "sent_s": sent_s, "build": BUILD, "layer": layer}
    parameters = Parameters(
        sequence=layer, time_s=begin_s, sample_time_s=times_s, x_m=[x for x, _ in path], y_m=[y for _, y in path],
        z_m=[layer * 4e-5] * len(path), beam_power_w=[195.0] * len(path), final=True, **who,
    )  # fmt: skip
    seen_s = [begin_s + i * FRAME_S for i in range(0, frames, 4)]
    signal = Signal(
        sequence=layer, time_s=begin_s, name="melt_pool_width_m", sample_time_s=seen_s,
        value=[width_m(layer, i) + BIAS_M for i in range(0, frames, 4)], **who,
    )  # fmt: skip
    return [Layer(sequence=layer, time_s=begin_s, z_m=layer * 4e-5, note=note, **who), parameters, signal]


def place(frame: int) -> tuple[float, float]:
    """A hatch of 2 mm vectors, 50 um a frame."""
    vector, along = divmod(frame, 40)
    return (along if vector % 2 == 0 else 40 - along) * 50e-6, vector * 100e-6


def forecasts(layer: int, frames: int, odd: range = range(0), with_field: bool = False) -> list[Forecast]:
    """Frames of a layer; those in `odd` are outside the envelope, and every 50th has the laser off."""
    made = []
    for frame in range(frames):
        time_s, on = layer * LAYER_S + frame * FRAME_S, frame % 50 != 49
        size = width_m(layer, frame) if on else 0.0
        leads = tuple(
            Lead(
                n * FRAME_S,
                time_s + n * FRAME_S,
                MeltPool(2.4 * size, size, 0.45 * size),
                *place(frame + n),
                195.0 * on,
            )
            for n in range(3)
        )
        outcome = Outcome("outside_envelope", "q", 0.42, "") if frame in odd else Outcome()
        made.append(
            Forecast(
                MACHINE,
                BUILD,
                layer,
                frame,
                time_s,
                BEGUN_S + layer + frame * 1e-3,
                BEGUN_S + layer,
                CARD["name"],
                outcome,
                "keyhole" if frame % 10 == 0 else "conduction",
                1.1 + frame % 10,
                on,
                leads,
                fields=(ellipsoid_field(WIDTH_M),) if with_field and frame == frames // 2 else (),
            )
        )
    return made


def alert(kind: str, layer: int, severity: Any, **fields: Any) -> Alert:
    seen_s = BEGUN_S + layer
    constant: dict[str, Any] = {"evidence": f"evidence of {kind}", "action": "lower the power", "cleared_s": None}
    return Alert(MACHINE, BUILD, kind, severity, layer, 5e-4, 3e-4, seen_s, seen_s + 0.5, **(constant | fields))


def fill(store: SqlStore, layers: int = 5, frames: int = 200, *, end: bool = True) -> None:
    """Layers 1 to `layers`: notes in the second, frames that are not in order and alerts in the third, a field in the
    last; one gap, one reject, 16 frames skipped, a source begun anew."""
    store.write(
        Step([said(message) for message in opening(layers if end else layers + 3)], cards=[CARD], received_s=BEGUN_S)
    )
    for layer in range(1, layers + 1):
        note = "recoater <hopped>, see picture" if layer == 2 else ""
        odd, last = range(20, 60) if layer == 3 else range(0), layer == layers
        messages = [said(message) for message in layer_messages(layer, frames, note)]
        made = forecasts(layer, frames, odd, with_field=last)
        store.write(Step(messages, forecasts=made, received_s=BEGUN_S + layer))
    store.write(
        Step(
            gaps=[Gap(MACHINE, MACHINE, "parameters", 0, 0, BEGUN_S + 2)],
            rejects=[
                Rejected(f"meltwin/v1/hall-a/{MACHINE}/plan", b"{", "ends early", code="truncated"),
                Rejected("meltwin/v1/hall-a/another/plan", b"{", "ends early", code="truncated"),
            ],
            skipped=[Skipped(MACHINE, BUILD, 3, frames, frames + 15, BEGUN_S + 3)],
            births=[Birth(MACHINE, MACHINE, 1, "parameters", 0, "its numbers began anew", BEGUN_S + 3)],
            alerts=[alert("keyhole", 3, "high"), alert("outside_envelope", 3, "low", cleared_s=BEGUN_S + 4)],
            received_s=BEGUN_S + 3,
        )
    )


def acknowledge(store: SqlStore, kind: str, by: str, note: str, at_s: float = BEGUN_S + 60) -> None:
    """As a person would on the page."""
    with store._engine.begin() as connection:
        values = {"acknowledged_by": by, "acknowledged_note": note, "acknowledged_s": at_s}
        connection.execute(update(AlertRow).where(AlertRow.kind == kind).values(**values))
