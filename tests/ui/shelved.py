"""Small builds of one part in a store: alike but for scatter, and one of which a layer deviates."""

import math
from typing import Any

import numpy as np

from twin.forecast import Alert, Forecast, Lead, MeltPool, Outcome
from twin.observation import Build, Layer, Message, Observation, Parameters, Signal, State
from twin.store.port import Step, Store

MACHINE, PART = "m3", "lug"
BEGUN_S = 1_760_000_000.0
FRAME_S, WIDTH_M, SPEED = 62.5e-6, 150e-6, 0.8
ODD_LAYER, ODD_FACTOR = 4, 1.4


def place(frame: int, turns: int = 30) -> tuple[float, float]:
    """A hatch of vectors, 50 um a frame."""
    vector, along = divmod(frame, turns)
    return (along if vector % 2 == 0 else turns - along) * 50e-6, vector * 90e-6


def shelve(
    store: Store, name: str, *, number: int, layers: int = 6, frames: int = 120, odd: bool = False,
    machine: str = MACHINE, part: str = PART, origin: Any = "simulated",
) -> None:  # fmt: skip
    """One build, begun `number` days after the first; `odd`: layer 4 is wider by 40 %, and an alert says so."""
    rng, received_s = np.random.default_rng(number), BEGUN_S + number * 86_400.0
    who: dict[str, Any] = {"source": machine, "sent_s": received_s}

    def said(message: Message) -> Observation:
        return Observation("hall", machine, message, f"meltwin/v1/hall/{machine}/{message.channel}")  # type: ignore[arg-type]

    opening = [
        State(sequence=number, time_s=0.0, status="online", origin=origin, process="lpbf", **who),
        Build(
            sequence=number, time_s=0.0, build=name, material="IN625", beam_diameter_m=100e-6, layer_thickness_m=40e-6,
            preheat_k=353.15, nominal_beam_power_w=195.0, nominal_scan_speed_m_per_s=SPEED, frame_s=FRAME_S, part=part,
            layers=layers, **who,
        ),
    ]  # fmt: skip
    store.write(Step([said(message) for message in opening], received_s=received_s))
    own = 1 + 0.004 * rng.standard_normal()
    for layer in range(1, layers + 1):
        begin_s, wide = layer * 10.0, own * (ODD_FACTOR if odd and layer == ODD_LAYER else 1.0)
        sequence = number * 1000 + layer
        turn = int(20 + 10 * math.sin(layer / 2)) + 8
        path = [place(i, turn) for i in range(frames + 1)]
        messages = [
            Layer(sequence=sequence, time_s=begin_s, build=name, layer=layer, z_m=layer * 40e-6, **who),
            Parameters(
                sequence=sequence, time_s=begin_s, build=name, layer=layer, final=True,
                sample_time_s=[begin_s + i * FRAME_S for i in range(frames + 1)], x_m=[x for x, _ in path],
                y_m=[y for _, y in path], z_m=[layer * 40e-6] * len(path), beam_power_w=[195.0] * len(path), **who,
            ),
            Signal(
                sequence=sequence, time_s=begin_s, build=name, layer=layer, name="melt_pool_width_m",
                sample_time_s=[begin_s + i * FRAME_S for i in range(0, frames, 4)],
                value=(WIDTH_M * wide * (1 + 0.05 * rng.standard_normal(-(-frames // 4)))).tolist(), **who,
            ),
        ]  # fmt: skip
        forecasts = []
        for frame in range(frames):
            size, time_s = WIDTH_M * wide * (1 + 0.04 * rng.standard_normal()), begin_s + frame * FRAME_S
            lead = Lead(0.0, time_s, MeltPool(2.4 * size, size, 0.45 * size), *path[frame + 1], 195.0)
            strange = odd and layer == ODD_LAYER and frame % 12 == 0
            outcome = Outcome("outside_envelope", "q", 0.2, "") if strange else Outcome()
            forecasts.append(
                Forecast(
                    machine, name, layer, frame, time_s, received_s + layer, received_s, "asno-small-1",
                    outcome, "conduction", 1.4, True, (lead,),
                )
            )  # fmt: skip
        store.write(Step([said(m) for m in messages], forecasts=forecasts, received_s=received_s + 60.0 * layer))
    if odd:
        seen_s = received_s + 60.0 * ODD_LAYER
        told = Alert(
            machine, name, "keyhole", "medium", ODD_LAYER, 0.6e-3, 0.2e-3, seen_s, seen_s + 3.0, "keyhole number 6.8",
            "lower the power", None,
        )  # fmt: skip
        store.write(Step(alerts=[told], received_s=seen_s))
