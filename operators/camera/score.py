"""Score: how far a forecast of the camera operator is off, and the rows that need nothing but the scheme."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from operators.camera.draws import CONTEXT, SHAPE
from operators.camera.kernel import Films
from operators.camera.operator import CameraFluxNo, Plan
from operators.camera.reading import Seen
from operators.camera.samples import Tracks, filmed
from operators.nets.heat import Beam, Heated, Matter


def seen_of(tracks: Tracks, seed: int = 0) -> Seen:
    """What the camera gives of the context, with noise of this seed."""
    frames = filmed(tracks.surface, torch.Generator().manual_seed(seed))
    return Seen(frames, tracks.power[:, :CONTEXT], tracks.places[:, : CONTEXT + 1], tracks.frame)


def forecast(model: CameraFluxNo, matter: Matter, tracks: Tracks) -> Float[Tensor, "n ahead z y x"]:
    """theta of the frames after the context, from a cold plate through the context by this matter."""
    if tracks.frame.device.type == "cpu":
        return torch.stack([_by_kernel(model, matter, tracks, n) for n in range(len(tracks))])
    plan = Plan(tracks.power, tracks.places, tracks.frame)
    cold = Heated.cold(len(tracks), SHAPE, tracks.frame.device)
    with torch.no_grad():
        _, state = model.run(matter, cold, Plan(*seen_of(tracks)[1:]), fields=False)
        ahead = Plan(plan.power[:, CONTEXT:], plan.places[:, CONTEXT:], plan.frame)
        return model.run(matter, state, ahead)[0]


def _by_kernel(model: CameraFluxNo, matter: Matter, tracks: Tracks, n: int) -> Float[Tensor, "ahead z y x"]:
    one = torch.tensor([n])
    own, frame = matter.take(one), tracks.frame[one]
    films, found = Films(model.heat, own, Heated.cold(1, model.shape)), []
    steps = int(model.heat.steps(own, frame)[0])
    for t in range(tracks.power.shape[1]):
        films.advance(Beam(tracks.power[one, t], tracks.places[one, t], tracks.places[one, t + 1], frame), steps)
        if t >= CONTEXT:
            found.append(films.theta()[0].clone())
    return torch.stack(found)


def errors(model: CameraFluxNo, found: Float[Tensor, "n ahead z y x"], tracks: Tracks) -> np.ndarray:
    """(track, frame ahead): norm of theta_hat - theta over max(norm of theta, m), by cell volume; m a tenth of the
    median norm of the trajectory."""
    volume = model.heat.thickness(found[0])[:, None, None]
    truth = tracks.field.float()
    norm = (volume * truth**2).flatten(2).sum(2).sqrt()
    off = (volume * (found - truth[:, CONTEXT:]) ** 2).flatten(2).sum(2).sqrt()
    floor = 0.1 * norm.median(1).values[:, None]
    return (off / torch.maximum(norm, floor)[:, CONTEXT:]).numpy()


def summary(errors: np.ndarray) -> dict[str, float]:
    """Over all frames ahead and tracks, at the last frame, and by track."""
    by_track = errors.mean(1)
    return {
        "error": float(errors.mean()), "end": float(errors[:, -1].mean()), "median": float(np.median(by_track)),
        "p90": float(np.quantile(by_track, 0.9)),
    }  # fmt: skip
