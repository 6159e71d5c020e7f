"""Recipe: how the shipped melt-pool operator is made: `python -m operators.train melt-pool`.

One command makes the data, trains each seed, chooses the step and the seed on a validation split, scores on a test
split that chose nothing, and writes weights and card. Splits are by trajectory (`samples.py`). Deterministic given the
seed on one device; killed and called again with the same `--work` folder it goes on where it was.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import huber_loss

from operators import card
from operators.melt_pool import ledgers
from operators.melt_pool.asno import Asno
from operators.melt_pool.ends import missed
from operators.melt_pool.forcing import AGO, CHANNELS, EXPONENTS
from operators.melt_pool.ledgers import TRACKS, kept_losses
from operators.melt_pool.losses import Losses
from operators.melt_pool.samples import Samples, folder_of, gathered_before, made
from operators.melt_pool.trajectories import (
    BOX,
    CELLS,
    COARSE_BELOW,
    COARSE_CELLS,
    CONDITION,
    FINE_CELLS,
    FINE_SLOW,
    is_fine,
)
from operators.train import BACK, Manner, Run
from operators.window import WindowGrid

NAME = "asno-melt-pool"
BATCH = 24
RATE, RATE_ON = 3e-3, 1e-3  # from scratch, and from shipped weights on
LOCAL = 16  # width of what corrects each node by itself
CONTOUR = 0.05  # half-width of the solidus contour in asinh(theta)
MISSED = 0.1  # of a size: so far off it counts by its square
CHOOSERS = 600  # samples that a look scores
SIZES = ["length", "width", "depth"]
MEASURE = "|error|/max(value, 0.25 d); 1 where only one of the two has a pool"


def loss_of(field: Tensor, target: Tensor, solidus: Tensor, volume: Tensor, grid: WindowGrid) -> Tensor:
    """Relative L2 of asinh(theta) at the nodes, with five times the weight around the solidus contour, and twice the
    mean error on the contours themselves: sizes are read there, and a tail that freezes is flat. The relative L2 of
    theta by volume, which is what a field is judged by: four fifths of it lie in solid more than a diameter away, where
    nodes are few. And by how much the sizes themselves are off (`ends`), squared, so that the worst teach most."""
    edge = torch.asinh(solidus)[:, None, None, None]
    weight = 1 + 5 * torch.exp(-(((target - edge) / 0.25) ** 2))
    wrong = (weight * (field - target) ** 2).flatten(1).sum(1)
    # the small number keeps the gradient finite where a cold window is right to the last bit
    whole = torch.sqrt(wrong / ((weight * target**2).flatten(1).sum(1) + 1.0) + 1e-8)
    near = sum(torch.exp(-(((each - edge) / CONTOUR) ** 2)) for each in (target, field.detach()))
    contour = (near * (field - target).abs()).flatten(1).sum(1) / (near.flatten(1).sum(1) + 1.0)
    theta, wanted = torch.sinh(field), torch.sinh(target)
    rest, all_of = ((volume * part**2).flatten(1).sum(1) for part in (theta - wanted, wanted))
    by_volume = torch.sqrt(rest / (all_of + 0.01 * all_of.mean() + 1e-6) + 1e-8)
    off = missed(field, target, solidus, grid)
    sizes = huber_loss(off, torch.zeros_like(off), reduction="none", delta=MISSED).sum(1) / MISSED
    return (whole + 2 * contour + by_volume + sizes).mean()


def field_errors(model: Any, data: Samples, rows: Tensor, volume: Tensor) -> np.ndarray:
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


def size_errors(model: Any, data: Samples, rows: Tensor, grid: WindowGrid) -> np.ndarray:
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


def asno_of(told: int, losses: Losses | None = None, kind: type[Asno] = Asno) -> Asno:
    """The operator before it has learned. told: how many numbers it is given beside the forcing."""
    grid = WindowGrid()
    sections, nodes = len(grid.x), len(grid.y) * len(grid.z)
    model = kind(sections, nodes, told, losses=losses is not None, local=LOCAL)
    if losses is not None and model.losses is not None:
        model.losses.load_state_dict(losses.state_dict())
        model.losses.requires_grad_(False)  # it has been fitted, and forcings were made with it
    return model


class MeltPoolLearner:
    """The melt pool's loss and score for `operators.train.Run`: sizes and field on validation choose. `model`: (what
    is read, what is told) -> asinh(theta), with `mean` and `spread` of what is told. `beside`: other samples, of
    which each gets as much of a batch as `data`."""

    def __init__(
        self, data: Samples, model: Any, device: str, batch: int = BATCH, choosers: int = CHOOSERS,
        beside: Sequence[Samples] = (),
    ) -> None:  # fmt: skip
        self.data, self.device, self.batch, self.grid = data, device, batch, WindowGrid()
        self.learned = [(each, each.part("fit")) for each in (data, *beside)]
        self.volume = volume_of(self.grid, device)
        self.fit = data.part("fit")
        validation = data.part("validation")
        self.choosers = validation[:: max(1, len(validation) // choosers)]
        self.model = model.to(device)
        told = data.told[self.fit.to(data.told.device)]
        self.model.mean.copy_(told.mean(0))
        self.model.spread.copy_(torch.where(told.std(0) > 1e-6, told.std(0), 1.0))

    def loss(self, draw: torch.Generator, step: int) -> Tensor:
        parts = [self._some(draw, *each) for each in self.learned]
        x, told, y = (torch.cat(each).float() for each in zip(*parts, strict=True))
        if step % 2:  # y -> -y is a symmetry of the physics
            x, y = self.mirrored(x), y.flip(2)
        return loss_of(self.model(x, told), y, 1 - told[:, 0], self.volume, self.grid)

    def _some(self, draw: torch.Generator, data: Samples, fit: Tensor) -> list[Tensor]:
        """An even share of a batch: forcing, told, target."""
        count = self.batch // len(self.learned)
        rows = fit[torch.randint(len(fit), (count,), generator=draw)].to(data.told.device)
        return [each[rows].to(self.device) for each in (data.forcing, data.told, data.target)]

    def mirrored(self, read: Tensor) -> Tensor:
        """What would be read if y were -y."""
        return read.flip(3)

    def score(self) -> tuple[float, str]:
        errors = size_errors(self.model, self.data, self.choosers, self.grid)
        told = summary(errors)
        field = float(field_errors(self.model, self.data, self.choosers, self.volume).mean())
        line = f"field {field:.4f}, sizes median {told['median']} p90 {told['p90']}"
        return float(np.quantile(errors, 0.9, axis=0).mean()) + field, line


def run_of(
    data: Samples, seed: int, steps: int, device: str, checkpoint: Path | None, losses: Losses | None = None,
    begun: Asno | None = None, beside: Sequence[Samples] = (),
) -> Run:  # fmt: skip
    """The training of one seed, on forcings that count what `losses` leave; `begun`: goes on from these weights, and
    from what they take for usual."""
    torch.manual_seed(seed)
    learner = MeltPoolLearner(data, asno_of(data.told.shape[1], losses), device, beside=beside)
    if begun is not None:
        learner.model.load_state_dict(begun.state_dict())
    return Run(learner, Manner(steps=steps, rate=RATE if begun is None else RATE_ON), seed, checkpoint)


def gone_back(run: Run, begun: Asno, share: float) -> None:
    """Leave in the model what lies a share of the way from the last moving average to the weights that a run began
    with, and score it: what is fine-tuned errs in other places than what it began with, and what lies between them less
    than both (Wortsman et al. 2022, arXiv 2203.05482; measured in docs/LOG.md)."""
    learner, last = run.learner, run.smooth
    learner.model.load_state_dict({k: last[k].to(v).lerp(v, share) for k, v in begun.state_dict().items()})
    learner.model.eval()
    run.best, line = learner.score()
    print(f"seed {run.seed}, {share:g} of the way back: {line}", flush=True)


def went_on_from(told: dict[str, Any]) -> list[dict[str, Any]]:
    """What a card says of the trainings before, oldest first; none of an empty one."""
    if not told:
        return []
    data, training = told["data"], told["training"]
    step = {"sha256": told["sha256"], "steps": training["steps"], "seconds": training["seconds"]}
    step |= {"trajectories": data["trajectories"], "samples": data["samples"], "data seed": data["seed"]}
    return [*training.get("went on from", []), step]


def seeds_of(told: dict[str, Any]) -> set[int]:
    """The data seeds that the weights of a card have learned from."""
    return {step["data seed"] for step in went_on_from(told)}


def counted(data: Samples) -> dict[str, int]:
    """How many there are."""
    return {"trajectories": len(set(data.trajectory.tolist())), "samples": len(data.trajectory)}


def said_of(data: Samples, trajectories: int, seed: int, off: float) -> dict[str, Any]:
    """What a card says of the samples; `off`: by how much the share that evaporates is."""
    return {
        **counted(data),
        "by the fine teacher": sum(is_fine(number) for number in range(trajectories)),
        "seed": seed,
        "evaporated share, off by (rms)": round(off, 4),
        "solver": f"a fine teacher ({FINE_CELLS} cells a diameter, {FINE_SLOW} below Peclet {COARSE_BELOW:g}) makes "
        f"some, a coarse one ({CELLS} and {COARSE_CELLS}); more in shallow pools; the fine one is meant, and scores",
    }


def train(
    trajectories: int, data_seed: int, steps: int, seeds: int, device: str, workers: int, work: Path | None, out: Path,
    more: int = 0, go_on: bool = False, beside: Sequence[Path] = (), back: float = BACK,
) -> None:  # fmt: skip
    """The recipe: one run a seed, the best by validation is shipped, all are on the card. `more`: draws after
    those, of which only some are made (`shards.numbers`). `go_on`: from the shipped weights, on draws that they have
    not seen (CardError where they have), and a share `back` of the way to them (`gone_back`). `beside`: samples
    gathered for earlier trainings with the same losses, each of which has an even share of every batch; ValueError
    where there are none."""
    began = time.time()
    begun, before = card.load(NAME) if go_on else (None, {})
    if go_on and data_seed in seeds_of(before):
        raise card.CardError(
            f"the shipped weights learned from the draws of data seed {data_seed}: go on with other ones"
        )

    def progress(done: int) -> None:
        print(f"{done} trajectories of {trajectories + more} draws, {time.time() - began:.0f} s", flush=True)

    with tempfile.TemporaryDirectory(prefix="meltwin-") as folder:
        here = work or Path(folder)
        if begun is None:
            tracks = ledgers.made(round(TRACKS * trajectories), data_seed, here / f"ledgers-{data_seed}.npy", workers)
            losses, off = kept_losses(tracks, here / f"losses-{data_seed}.npz")
        else:
            losses, off = begun.losses, before["data"]["evaporated share, off by (rms)"]
    print(f"share that evaporates: off by {off:.3f} (rms), {time.time() - began:.0f} s", flush=True)
    others = [gathered_before(folder, losses) for folder in beside]
    data = made(trajectories, data_seed, workers, work, progress, more, losses)
    grid = WindowGrid()
    kept = folder_of(work, trajectories, data_seed, more) if work else None
    beginning = f"-on-{before['sha256'][:12]}" if before else ""
    parts = {which: data.part(which) for which in ("fit", "validation", "test")}
    print("samples: " + ", ".join(f"{len(rows)} {which}" for which, rows in parts.items()), flush=True)
    if device != "cpu":
        data, others = data.to(device), [each.to(device) for each in others]
    linear = size_errors(lambda forcing, told: forcing[:, CHANNELS.index("constant")], data, parts["test"], grid)
    runs, scored = [], []
    for seed in range(seeds):
        checkpoint = kept / f"{NAME}{beginning}-{seed}.checkpoint" if kept else None
        run = run_of(data, seed, steps, device, checkpoint, losses, begun, others)
        run.go()
        if begun is not None:
            gone_back(run, begun, back)
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
            "forcing": {"channels": list(CHANNELS), "exponents": list(EXPONENTS), "ago": AGO},
            "condition": list(CONDITION),
            "envelope": {name: list(bounds) for name, bounds in BOX.items()},
            "data": said_of(data, trajectories, data_seed, off)
            | ({"beside": [counted(each) for each in others]} if others else {}),
            "training": {
                "seed": chosen.seed,
                "seconds": round(chosen.spent),
                "steps": steps,
                "batch": BATCH,
                "device": device,
                "went on from": went_on_from(before),
                "weights": "by validation the best of a moving average"
                if begun is None
                else f"the last moving average, {back:g} of the way back to those gone on from",
                "curve": chosen.curve,
            },
            "validation": {
                "split": "by trajectory: 18 of 20 to fit, 1 to choose step and seed, 1 to test",
                "of": SIZES,
                "measure": MEASURE,
                "test": scored[chosen.seed],
                "test_by_seed": scored,
                "test_linear_response": summary(linear),
            },
        },
    )
    print(f"wrote {out / NAME}.safetensors and .json: seed {chosen.seed}", flush=True)
