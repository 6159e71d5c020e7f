"""Recipe: how the shipped camera operator is made: `python -m operators.train melt-pool-camera`.

One command solves the tracks (most of the reading's in cells as coarse as the operator's, the others, and all that
choose and test, in fine ones), trains each seed's reading on the numbers that are hidden, measures how wrong it is on
tracks that it did not learn from, which is the prior of what is solved for, chooses the seed by the forecasts of a
validation split, scores on a test split that chose nothing, and writes weights and card. Killed and called again with
the same `--work` folder it goes on where it was.
"""

import subprocess
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from operators import card
from operators.camera import draws, operator
from operators.camera.draws import CELLS, CONTEXT, SHAPE
from operators.camera.law import BOX, NAMES, free_of, matter_of, squash
from operators.camera.operator import CameraFluxNo
from operators.camera.plate import CELLS as FINE
from operators.camera.reading import Seen
from operators.camera.samples import NOISE, SENSOR, Tracks, filmed, made
from operators.camera.score import errors, forecast, seen_of, summary
from operators.train import Manner, Run

NAME = "hfluxno-melt-pool"
BATCH = 32
RATE = 3e-3
KEPT_BACK = 0.2  # of the fine tracks of the fit split: they choose the step and measure the reading's errors
FINE_AT = 100_000  # number of the first fine track of the fit split
MEASURE = "norm of theta_hat - theta over max(norm of theta, a tenth of its median over the trajectory), by volume"
DULLER = (0.0, -0.3, 0.3, -0.6, 0.6)  # moves of the shared absorptivity that validation chooses from
NUGGET = 0.02  # variance that is added to the reading's


class CameraLearner:
    """The reading's loss and score for `operators.train.Run`: hidden numbers, in units of their spread."""

    def __init__(self, fit: Tracks, kept_back: Tracks, seed: int) -> None:
        torch.manual_seed(seed)
        self.camera = CameraFluxNo(SHAPE, float(CELLS), sensor=SENSOR, noise=NOISE)
        self.model = self.camera.reading
        self.fit, self.kept_back = fit, kept_back
        wanted = free_of(fit.numbers)
        self.model.mean.copy_(wanted.mean(0))
        self.model.spread.copy_(wanted.std(0))
        self.camera.shared.copy_(wanted.mean(0))

    def loss(self, draw: torch.Generator, step: int) -> Tensor:
        some = self.fit.take(torch.randint(len(self.fit), (BATCH,), generator=draw))
        read = self.model(mirrored(_seen(some, draw), step))
        return nn_loss((read - free_of(some.numbers)) / self.model.spread)

    def score(self) -> tuple[float, str]:
        off = self.off() / self.model.spread
        each = off.square().mean(0).sqrt()
        told = ", ".join(f"{name} {value:.2f}" for name, value in zip(NAMES, each.tolist(), strict=True))
        return float(nn_loss(off)), told

    def off(self) -> Tensor:
        """Errors on tracks that it did not learn from."""
        seen = _seen(self.kept_back, torch.Generator().manual_seed(1))
        with torch.no_grad():
            return torch.cat([self.model(seen.take(slice(n, n + 32))) for n in range(0, len(self.kept_back), 32)]) - (
                free_of(self.kept_back.numbers)
            )


def nn_loss(off: Tensor) -> Tensor:
    return torch.nn.functional.smooth_l1_loss(off, torch.zeros_like(off))


def _seen(tracks: Tracks, draw: torch.Generator) -> Seen:
    frames = filmed(tracks.surface, draw)
    return Seen(frames, tracks.power[:, :CONTEXT], tracks.places[:, : CONTEXT + 1], tracks.frame)


def mirrored(seen: Seen, step: int) -> Seen:
    """The physics does not know left from right."""
    frames, places = seen.frames, seen.places
    for axis, on in ((0, step % 2), (1, step // 2 % 2)):
        if on:
            frames = frames.flip(2 + axis)
            sign, far = torch.ones(2), torch.zeros(2)
            sign[axis], far[axis] = -1.0, float(frames.shape[2 + axis])
            places = far + sign * places
    return seen._replace(frames=frames, places=places)


def run_of(fit: Tracks, kept_back: Tracks, seed: int, steps: int, checkpoint: Path | None) -> Run:
    """The training of one seed; afterwards the prior of its camera operator is what its reading is off by."""
    learner = CameraLearner(fit, kept_back, seed)
    run = Run(learner, Manner(steps=steps, rate=RATE, looks=10), seed, checkpoint)
    run.go()
    off = learner.off()
    variance = off.T @ off / len(off) + NUGGET * torch.eye(len(NAMES))
    learner.camera.precision.copy_(torch.linalg.inv(variance))
    learner.camera.eval()
    return run


def share(model: CameraFluxNo, validation: Tracks) -> None:
    """What stands for every sample where there is no context: the mean of the fit split, its absorptivity chosen."""
    mean, found = model.shared.clone(), []
    for move in DULLER:
        free = mean.clone()
        free[0] += move
        matter = matter_of(squash(free.expand(len(validation), -1)))
        found.append((summary(errors(model, forecast(model, matter, validation), validation))["error"], free))
    model.shared.copy_(min(found, key=lambda each: each[0])[1])


def sets(tracks: int, fine: int, work: Path) -> tuple[Tracks, Tracks]:
    """What readings learn from, and what is kept back."""
    say = print
    coarse = made("fit", tracks, work, fields=False, cells=CELLS, progress=say)
    exact = made("fit", fine, work, fields=False, begin=FINE_AT, progress=say)
    back = max(1, round(KEPT_BACK * fine))
    many = fine - back
    times = max(1, round(0.5 * tracks / max(1, many)))  # a third of what is drawn is fine
    parts = [coarse, *[exact.take(slice(0, many))] * times]
    return Tracks(*(torch.cat([getattr(p, name) for p in parts]) for name in vars(coarse))), exact.take(
        slice(many, None)
    )


def train(
    tracks: int, fine: int, validation: int, test: int, steps: int, seeds: int, work: Path | None, out: Path
) -> None:
    """The recipe: one run a seed, the best by validation is shipped, all are on the card."""
    if work is None:
        with tempfile.TemporaryDirectory(prefix="meltwin-") as folder:
            train(tracks, fine, validation, test, steps, seeds, Path(folder), out)
        return
    torch.set_num_threads(1)
    fit, back = sets(tracks, fine, work)
    choosers, asked, alloys = (
        made(split, count, work, progress=print)
        for split, count in (("validation", validation), ("test", test), ("alloys", test // 2))
    )
    runs, scored = [], []
    for seed in range(seeds):
        run = run_of(fit, back, seed, steps, work / f"{NAME}-{seed}.checkpoint")
        camera: CameraFluxNo = run.learner.camera
        share(camera, choosers)
        parts = {"validation": choosers, "test": asked, "alloys": alloys}
        runs.append(run)
        scored.append({split: scores(camera, some) for split, some in parts.items()})
        print(f"seed {seed}: {scored[-1]}", flush=True)
    best = min(range(seeds), key=lambda seed: scored[seed]["validation"]["with context"]["error"])
    made_of = {"tracks": tracks, "fine tracks": fine, "validation": validation, "test": test}
    write(out, runs[best], made_of, scored)


def write(out: Path, run: Run, made_of: dict[str, int], scored: list[dict[str, dict[str, dict[str, float]]]]) -> None:
    """Weights and card. scored: by seed, split and row."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    card.save(
        out, NAME, run.learner.camera,
        {
            "operator": "HFluxNO",
            "architecture": "recurrent vision Transformer to twelve numbers, solved for from there by damped least "
            "squares on the camera's frames, then a finite-volume scheme in enthalpy (operators/camera)",
            "units": "operators.melt_pool.scales",
            "numbers": {name: list(bounds) for name, bounds in BOX.items()},
            "context": {"frames": CONTEXT, "sensor": list(SENSOR), "noise": NOISE, "start": "a cold plate"},
            "envelope": {
                "scaled_peclet": list(draws.PECLET), "absorptivity": list(draws.ABSORPTIVITY),
                "powder": [draws.POWDER[0], 1.0], "surface_theta": [draws.COLDEST, draws.HOTTEST],
            },
            "data": {
                **made_of, "reference": f"{FINE} cells a diameter; {CELLS} for most of what the reading learns from",
                "stream": hex(draws.STREAM), "commit": commit.stdout.strip(),
            },
            "training": {
                "seed": run.seed, "steps": run.steps, "batch": BATCH, "seconds": round(run.spent), "device": "cpu",
                "curve": run.curve,
            },
            "inference": {
                "rounds": operator.ROUNDS, "model": list(operator.MODEL), "correlated": operator.CORRELATED,
            },
            "validation": {"measure": MEASURE, "split": "by track", "by_seed": scored},
        },
    )  # fmt: skip
    print(f"wrote {out / NAME}.safetensors and .json: seed {run.seed}", flush=True)


def scores(model: CameraFluxNo, tracks: Tracks) -> dict[str, dict[str, float]]:
    """Of the operator with context, only read, without context and told."""
    seen = seen_of(tracks)
    with torch.no_grad():
        matters = {
            "with context": model.infer(seen),
            "read, not solved for": model.infer(seen, rounds=0),
            "without context": matter_of(squash(model.shared.expand(len(tracks), -1))),
            "told": matter_of(tracks.numbers, tracks.tail),
        }
        return {
            name: {k: round(v, 4) for k, v in summary(errors(model, forecast(model, m, tracks), tracks)).items()}
            for name, m in matters.items()
        }
