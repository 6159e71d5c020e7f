"""Recipe: how the shipped melt-pool operator is made: `python -m operators.train melt-pool`.

One command makes the data, trains each seed, chooses the step and the seed on a validation split, scores on a test
split that chose nothing, and writes weights and card. Splits are by trajectory. Deterministic given the seed on one
device; killed and called again with the same `--work` folder it goes on where it was.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from operators import card
from operators.asno import Asno
from operators.train import Manner, Run
from operators.trajectories import BOX, CELLS, COARSE_BELOW, COARSE_CELLS, LAGS, Sample, generate
from operators.window import WindowGrid

NAME = "asno-melt-pool"
BATCH = 24
RATE = 2e-3
CONTOUR = 0.05  # half-width of the solidus contour in asinh(theta)
CHOOSERS = 600  # samples that a look scores
SIZES = ["length", "width", "depth"]
MEASURE = "|error|/max(value, 0.25 d); 1 where only one of the two has a pool"


@dataclass(frozen=True)
class Data:
    """All samples: forcing (n, lag, x, y, z), told (n, condition), target (n, x, y, z), and the trajectory of each."""

    forcing: Tensor
    told: Tensor
    target: Tensor
    trajectory: np.ndarray

    @staticmethod
    def of(samples: list[Sample]) -> "Data":
        return Data(
            torch.from_numpy(np.stack([s.forcing for s in samples])),
            torch.from_numpy(np.stack([s.condition for s in samples])),
            torch.from_numpy(np.stack([s.target for s in samples])),
            np.array([s.trajectory for s in samples]),
        )

    def part(self, which: str) -> Tensor:
        """Rows of a split. Of each ten pairs of trajectories (one straight, one eventful) one pair is for validation
        and one for test."""
        pair = self.trajectory // 2 % 10
        chosen = {"fit": pair < 8, "validation": pair == 8, "test": pair == 9}[which]
        return torch.from_numpy(np.flatnonzero(chosen))

    def to(self, device: str) -> "Data":
        return Data(self.forcing.to(device), self.told.to(device), self.target.to(device), self.trajectory)


def made(trajectories: int, seed: int, workers: int, kept: Path | None) -> Data:
    """The samples: read from `kept` where they were kept, else made (and kept)."""
    if kept is not None and kept.is_file():
        with np.load(kept) as stored:
            return Data(*(torch.from_numpy(stored[n]) for n in ("forcing", "told", "target")), stored["trajectory"])
    began = time.time()

    def progress(done: int) -> None:
        if done % 50 == 0 or done == trajectories:
            print(f"{done} of {trajectories} trajectories, {time.time() - began:.0f} s", flush=True)

    data = Data.of(generate(trajectories, seed, WindowGrid(), workers, progress))
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        half = kept.with_suffix(".half.npz")
        np.savez(half, forcing=data.forcing, told=data.told, target=data.target, trajectory=data.trajectory)
        half.replace(kept)
    return data


def loss_of(field: Tensor, target: Tensor, solidus: Tensor, volume: Tensor) -> Tensor:
    """Relative L2 of asinh(theta) at the nodes, with five times the weight around the solidus contour, and twice the
    mean error on the contours themselves: sizes are read there, and a tail that freezes is flat. And the relative L2 of
    theta by volume, which is what a field is judged by: four fifths of it lie in solid more than a diameter away, where
    nodes are few."""
    edge = torch.asinh(solidus)[:, None, None, None]
    weight = 1 + 5 * torch.exp(-(((target - edge) / 0.25) ** 2))
    wrong = (weight * (field - target) ** 2).flatten(1).sum(1)
    # the small number keeps the gradient finite where a cold window is right to the last bit
    whole = torch.sqrt(wrong / ((weight * target**2).flatten(1).sum(1) + 1.0) + 1e-8)
    near = sum(torch.exp(-(((each - edge) / CONTOUR) ** 2)) for each in (target, field.detach()))
    contour = (near * (field - target).abs()).flatten(1).sum(1) / (near.flatten(1).sum(1) + 1.0)
    theta, wanted = torch.sinh(field), torch.sinh(target)
    off, all_of = ((volume * part**2).flatten(1).sum(1) for part in (theta - wanted, wanted))
    by_volume = torch.sqrt(off / (all_of + 0.01 * all_of.mean() + 1e-6) + 1e-8)
    return (whole + 2 * contour + by_volume).mean()


def field_errors(model: Any, data: Data, rows: Tensor, volume: Tensor) -> np.ndarray:
    """Relative L2 of theta by volume of each row; a cold window counts against a tenth of the median norm."""
    off, norm = [], []
    with torch.no_grad():
        for part in rows.split(32):
            forcing, told, target = (a[part.to(a.device)] for a in (data.forcing, data.told, data.target))
            field, truth = torch.sinh(model(forcing.float(), told)), torch.sinh(target.float())
            off.append((volume * (field - truth) ** 2).flatten(1).sum(1).sqrt())
            norm.append((volume * truth**2).flatten(1).sum(1).sqrt())
    whole = torch.cat(norm)
    return (torch.cat(off) / whole.clamp(min=0.1 * float(whole.median()))).cpu().numpy()


def size_errors(model: Any, data: Data, rows: Tensor, grid: WindowGrid) -> np.ndarray:
    """MEASURE for length, width and depth: (row, 3). `model` is (forcing, told) -> asinh(theta)."""
    found = []
    with torch.no_grad():
        for part in rows.split(32):
            forcing, told, target = (a[part.to(a.device)] for a in (data.forcing, data.told, data.target))
            fields = torch.sinh(model(forcing.float(), told)).cpu().numpy()
            truths = torch.sinh(target.float()).cpu().numpy()
            for field, truth, solidus in zip(fields, truths, (1 - told[:, 0]).tolist(), strict=True):
                a, b = np.array(grid.sizes(field, solidus)), np.array(grid.sizes(truth, solidus))
                found.append(np.where((a > 0) != (b > 0), 1.0, np.abs(a - b) / np.maximum(b, 0.25)))
    return np.array(found)


def summary(errors: np.ndarray) -> dict[str, list[float]]:
    """Quantiles over samples, for length, width and depth."""
    return {
        name: np.quantile(errors, level, axis=0).round(4).tolist()
        for name, level in (("median", 0.5), ("p90", 0.9), ("p95", 0.95))
    }


def volume_of(grid: WindowGrid, device: str) -> Tensor:
    """Quadrature weights of the window that sum to 1."""
    weights = torch.from_numpy(grid.weights()).float()
    return (weights / weights.sum()).to(device)


class MeltPoolLearner:
    """The melt pool's loss and score for `operators.train.Run`: sizes and field on validation choose."""

    def __init__(self, data: Data, seed: int, device: str) -> None:
        torch.manual_seed(seed)
        self.data, self.device, self.grid = data, device, WindowGrid()
        self.volume = volume_of(self.grid, device)
        self.fit = data.part("fit")
        validation = data.part("validation")
        self.choosers = validation[:: max(1, len(validation) // CHOOSERS)]
        self.model = Asno(len(self.grid.x), len(self.grid.y) * len(self.grid.z), data.told.shape[1]).to(device)
        self.model.mean.copy_(data.told[self.fit.to(data.told.device)].mean(0))
        self.model.spread.copy_(data.told[self.fit.to(data.told.device)].std(0))

    def loss(self, draw: torch.Generator, step: int) -> Tensor:
        rows = self.fit[torch.randint(len(self.fit), (BATCH,), generator=draw)].to(self.data.told.device)
        forcing, told, target = (a[rows].to(self.device) for a in (self.data.forcing, self.data.told, self.data.target))
        x, y = forcing.float(), target.float()
        if step % 2:  # y -> -y is a symmetry of the physics
            x, y = x.flip(3), y.flip(2)
        return loss_of(self.model(x, told), y, 1 - told[:, 0], self.volume)

    def score(self) -> tuple[float, str]:
        errors = size_errors(self.model, self.data, self.choosers, self.grid)
        told = summary(errors)
        field = float(field_errors(self.model, self.data, self.choosers, self.volume).mean())
        line = f"field {field:.4f}, sizes median {told['median']} p90 {told['p90']}"
        return float(np.quantile(errors, 0.9, axis=0).mean()) + field, line


def run_of(data: Data, seed: int, steps: int, device: str, checkpoint: Path | None) -> Run:
    """The training of one seed."""
    return Run(MeltPoolLearner(data, seed, device), Manner(steps=steps, rate=RATE), seed, checkpoint)


def train(
    trajectories: int, data_seed: int, steps: int, seeds: int, device: str, workers: int, work: Path | None, out: Path
) -> None:
    """The recipe: one run a seed, the best by validation is shipped, all are on the card."""
    data = made(trajectories, data_seed, workers, work / f"{NAME}.npz" if work else None)
    grid = WindowGrid()
    parts = {which: data.part(which) for which in ("fit", "validation", "test")}
    print("samples: " + ", ".join(f"{len(rows)} {which}" for which, rows in parts.items()), flush=True)
    if device != "cpu":
        data = data.to(device)
    linear = size_errors(lambda forcing, told: forcing[:, 0], data, parts["test"], grid)
    runs, scored = [], []
    for seed in range(seeds):
        run = run_of(data, seed, steps, device, work / f"{NAME}-{seed}.checkpoint" if work else None)
        run.go()
        runs.append(run)
        field = field_errors(run.learner.model, data, parts["test"], volume_of(grid, device))
        sizes = summary(size_errors(run.learner.model, data, parts["test"], grid))
        scored.append({**sizes, "field mean": round(float(field.mean()), 4)})
        print(f"seed {seed}: test {scored[-1]}", flush=True)
    chosen = min(runs, key=lambda run: run.best)
    card.save(
        out,
        NAME,
        chosen.learner.model.cpu(),
        {
            "operator": "ASNO",
            "channels": "asinh(theta), theta = (T - T0)/(T_liquidus - T0)",
            "grid": {"x": grid.x.tolist(), "y": grid.y.tolist(), "z": grid.z.tolist(), "unit": "beam diameter"},
            "lags": LAGS,
            "envelope": {name: list(bounds) for name, bounds in BOX.items()},
            "data": {
                "trajectories": trajectories,
                "samples": len(data.trajectory),
                "seed": data_seed,
                "solver": f"{CELLS} cells a diameter, {COARSE_CELLS} below Peclet {COARSE_BELOW:g}, "
                "twice as many in the shallowest pools",
            },
            "training": {
                "seed": chosen.seed,
                "seconds": round(chosen.spent),
                "steps": steps,
                "batch": BATCH,
                "device": device,
                "curve": chosen.curve,
            },
            "validation": {
                "split": "by trajectory: 8 of 10 to fit, 1 to choose step and seed, 1 to test",
                "of": SIZES,
                "measure": MEASURE,
                "test": scored[chosen.seed],
                "test_by_seed": scored,
                "test_linear_response": summary(linear),
            },
        },
    )
    print(f"wrote {out / NAME}.safetensors and .json: seed {chosen.seed}", flush=True)
