"""Rows: who forecasts 20 frames of a plate after ten that a camera saw. Each gives theta on the operator's cells."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from operators.camera import draws
from operators.camera.draws import CELLS, CONTEXT, SHAPE
from operators.camera.law import NAMES, matter_of, squash
from operators.camera.operator import LAYERS, CameraFluxNo
from operators.camera.plate import CELLS as FINE
from operators.camera.plate import Law, Plate
from operators.camera.samples import NOISE, SENSOR, Tracks, solved
from operators.camera.score import forecast, seen_of

Forecast = Callable[[CameraFluxNo, Tracks], Tensor]
MEAN = torch.zeros(len(NAMES))  # free numbers of the middle of the box: the average alloy, half absorbed
SEARCHED, ROUNDS, SETTLED = (0.05, 0.99), 5, 2e-3


def persistence(model: CameraFluxNo, tracks: Tracks) -> Tensor:
    """The true field at the end of the context, held: nobody else is told it."""
    return tracks.field[:, CONTEXT - 1 : CONTEXT].float().expand(-1, tracks.field.shape[1] - CONTEXT, -1, -1, -1)


def told(model: CameraFluxNo, tracks: Tracks) -> Tensor:
    """The true curves, absorptivity, powder and loss."""
    return forecast(model, matter_of(tracks.numbers, tracks.tail), tracks)


def without(model: CameraFluxNo, tracks: Tracks) -> Tensor:
    """One matter for all."""
    return forecast(model, matter_of(squash(model.shared.expand(len(tracks), -1))), tracks)


def read(model: CameraFluxNo, tracks: Tracks) -> Tensor:
    """The net's guess as it is: context to law, as the published form."""
    with torch.no_grad():
        return forecast(model, model.infer(seen_of(tracks), rounds=0), tracks)


def solved_for(model: CameraFluxNo, tracks: Tracks) -> Tensor:
    """The operator."""
    return forecast(model, model.infer(seen_of(tracks)), tracks)


def reference(model: CameraFluxNo, tracks: Tracks) -> Tensor:
    """The plate in even cells as wide as the operator's, told everything."""
    return torch.stack([_plate(_law(tracks, n), tracks, n) for n in range(len(tracks))])


def surface_average(model: CameraFluxNo, tracks: Tracks) -> Tensor:
    """Absorptivity alone from the camera's frames, by least squares through the reference; an average alloy on a bare
    plate stands for the rest."""
    return _by_surface(model, tracks, alloy=False)


def surface_told(model: CameraFluxNo, tracks: Tracks) -> Tensor:
    """The same where alloy, powder and loss are told."""
    return _by_surface(model, tracks, alloy=True)


def ledger_average(model: CameraFluxNo, tracks: Tracks) -> Tensor:
    """Absorptivity from the energy of the whole field at the end of the context; the average alloy."""
    numbers = _average(len(tracks))
    numbers[:, 0] = _by_ledger(tracks)
    return forecast(model, matter_of(numbers), tracks)


def ledger_told(model: CameraFluxNo, tracks: Tracks) -> Tensor:
    """The same where alloy, powder and loss are told: the upper bound."""
    numbers = tracks.numbers.clone()
    numbers[:, 0] = _by_ledger(tracks)
    return forecast(model, matter_of(numbers, tracks.tail), tracks)


PLAIN: dict[str, tuple[str, Forecast]] = {
    "persistence": ("trivial", persistence),
    "hfluxno without context": ("trivial", without),
    "told": ("classical", told),
    "reference at the operator's cells, told": ("classical", reference),
    "absorptivity by surface, average alloy": ("classical", surface_average),
    "absorptivity by surface, alloy told": ("classical", surface_told),
    "absorptivity by ledger, average alloy": ("classical", ledger_average),
    "absorptivity by ledger, alloy told": ("classical", ledger_told),
}
LEARNED: dict[str, tuple[str, Forecast]] = {"hfluxno": ("learned", solved_for), "hfluxno, read only": ("learned", read)}


def _average(count: int) -> Tensor:
    numbers = squash(MEAN)[None].repeat(count, 1)
    numbers[:, NAMES.index("powder")] = 1.0
    return numbers


def _law(tracks: Tracks, n: int) -> Law:
    numbers, tail = tracks.numbers[n].double().numpy(), tracks.tail[n].tolist()
    return Law(numbers, (tail[0], tail[1]))


def _track(tracks: Tracks, n: int, law: Law) -> draws.Track:
    places = tracks.places[n].double().numpy() / CELLS
    return draws.Track(law, tracks.power[n].double().numpy(), places, float(tracks.frame[n]))


def _plate(law: Law, tracks: Tracks, n: int) -> Tensor:
    track, found = _track(tracks, n, law), []
    nz, ny, nx = (count / CELLS for count in SHAPE)
    plate = Plate(law, (nz, 0.0, ny, 0.0, nx), CELLS)
    ends = np.cumsum([0, *(round(2 * thick) for thick in LAYERS)])
    for t in range(track.frames):
        plate.advance(track.power[t], track.places[t], track.places[t + 1], track.frame)
        if t >= CONTEXT:
            halves = plate.theta().repeat(2, 0)
            found.append(np.stack([halves[low:high].mean(0) for low, high in pairwise(ends)]))
    return torch.from_numpy(np.stack(found)).float()


def _by_surface(model: CameraFluxNo, tracks: Tracks, alloy: bool) -> Tensor:
    frames = seen_of(tracks).frames
    numbers = tracks.numbers.clone() if alloy else _average(len(tracks))
    tail = tracks.tail if alloy else torch.zeros_like(tracks.tail)
    for n in range(len(tracks)):
        law = Law(numbers[n].double().numpy(), (float(tail[n, 0]), float(tail[n, 1])))
        numbers[n, 0] = _absorptivity(law, tracks, n, frames[n].numpy())
    return forecast(model, matter_of(numbers, tail), tracks)


def _absorptivity(law: Law, tracks: Tracks, n: int, frames: np.ndarray) -> float:
    """Gauss and Newton; the slope is that between the last two films."""

    def film(a: float) -> np.ndarray:
        numbers = law.numbers.copy()
        numbers[0] = a
        surface, _ = solved(_track(tracks, n, replace(law, numbers=numbers)), FINE, fields=False)
        return surface.astype(np.float64).clip(*SENSOR)

    sd = 0.01 + NOISE * frames
    before, a = 0.4, 0.55
    last = film(before)
    for _ in range(ROUNDS):
        now = film(a)
        slope = (now - last) / (a - before) / sd
        step = float((slope * (frames - now) / sd).sum() / max(float((slope**2).sum()), 1e-12))
        before, last = a, now
        a = min(max(a + min(max(step, -0.5 * a), a), SEARCHED[0]), SEARCHED[1])
        if abs(a - before) < SETTLED:
            break
    return a


def _by_ledger(tracks: Tracks) -> Tensor:
    """What is stored in the whole plate and was lost through its surface, over what the beam had."""
    found = []
    nz, ny, nx = (count / CELLS for count in SHAPE)
    for n in range(len(tracks)):
        law = _law(tracks, n)
        track, brought = _track(tracks, n, law), 0.0
        plate = Plate(law, (nz, 0.0, ny, 0.0, nx), CELLS)
        for t in range(CONTEXT):
            plate.advance(track.power[t], track.places[t], track.places[t + 1], track.frame)
            brought += track.power[t] * track.frame
        found.append((plate.stored() + plate.lost) / brought)
    return torch.tensor(found, dtype=torch.float32)
