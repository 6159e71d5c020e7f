"""Train: the one training loop, for every operator and every problem.

A `Learner` says what is learned (its loss on a draw, its score on validation); a `Manner` how long and how; a `Run`
does it: Muon for matrices and AdamW for the rest, warm-up and a cosine, gradient clipping, autocast, a moving average
of the weights that is what is scored and kept, a learning curve, and checkpoints. Deterministic given the seed on one
device; killed and called again with the same checkpoint it goes on where it was. `python -m operators.train melt-pool`
makes the shipped weights, `melt-pool-camera` those of the camera operator.
"""

import argparse
import math
import os
import pickle
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from operators.options import add_device, at_least

PROBE_STEPS = 4  # timed where a run is given seconds, before the first guess of how many fit; the first is thrown away
RECENT_STEPS = 50  # by which the guess is made again after each: a machine may be slow for a while
LOST_STEPS = 30  # in a row whose gradients are not finite: a scaler of half precision begins with some
BACK = 0.5  # of the way to the weights that a training went on from
LEARNING_SHARE = 0.85  # of given seconds; the rest is for scoring


@runtime_checkable
class Learner(Protocol):
    """What is learned. `loss` takes draws from the generator alone, so that a resumed run draws the same."""

    model: nn.Module

    def loss(self, draw: torch.Generator, step: int) -> Tensor:
        """Of one batch, with the model in training."""
        ...

    def score(self) -> tuple[float, str]:
        """On validation, with the model in evaluation: smaller is better, and a line that a person may read."""
        ...


@dataclass(frozen=True)
class Manner:
    """How to train. `seconds` (of the processor on a CPU, of the wall on a GPU), where given, cuts the steps to what
    fits into them, guessed anew after each step."""

    steps: int
    rate: float = 1e-3
    warm_steps: int = 200
    decay: float = 1e-4
    clip: float = 1.0
    smoothing: float = 0.999
    looks: int = 40
    precision: torch.dtype | None = None
    seconds: float | None = None


class Optimiser:
    """Muon for matrices, whose steps it makes orthogonal (Jordan et al. 2024, kellerjordan.github.io/posts/muon), AdamW
    for all else: biases, norms, positions, convolutions. Steps are scaled to AdamW's usual size (Liu et al., arXiv
    2502.16982), so one rate serves in wide layers; narrow ones want a higher rate. On the melt pool it needs a quarter
    of AdamW's steps (docs/LOG.md)."""

    def __init__(self, model: nn.Module, rate: float, decay: float) -> None:
        matrices, rest = [], []
        for name, value in model.named_parameters():
            if not value.requires_grad:
                continue  # it was fitted before
            flat = value.ndim == 2 and name.endswith("weight") and not value.is_complex()
            (matrices if flat else rest).append(value)
        self.parts: list[torch.optim.Optimizer] = []
        if matrices:
            self.parts.append(torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"))
        if rest:
            self.parts.append(torch.optim.AdamW(rest, lr=rate, weight_decay=decay, fused=True))

    def rate(self, rate: float) -> None:
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = rate

    def state_dict(self) -> list[dict[str, Any]]:
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)


class Run:
    """One training: stops and goes on; afterwards the best of the moving averages is in the model."""

    def __init__(
        self, learner: Learner, manner: Manner, seed: int, checkpoint: Path | None = None,
        say: Callable[[str], None] = lambda line: print(line, flush=True),
    ) -> None:  # fmt: skip
        self.learner, self.manner, self.seed, self.checkpoint, self._say = learner, manner, seed, checkpoint, say
        self.steps = manner.steps
        model = learner.model
        self.device = next(model.parameters()).device.type
        # of the processor, not of the wall: what else runs on the machine does not shorten a training
        self._clock = time.perf_counter if self.device == "cuda" else time.process_time
        self.optimiser = Optimiser(model, manner.rate, manner.decay)
        self.scaler = torch.amp.GradScaler(self.device, enabled=manner.precision is torch.float16)
        self.smooth = {k: v.detach().clone() for k, v in model.state_dict().items()}
        self.step, self.best, self.spent, self._lost = 0, math.inf, 0.0, 0
        self.best_state = {k: v.clone() for k, v in self.smooth.items()}
        self._pairs: list[list[Tensor]] | None = None
        self.curve: list[list[float]] = []
        self._asked = {"steps": manner.steps, "seed": seed, "rate": manner.rate, "precision": str(manner.precision)}
        if checkpoint is not None:
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            if checkpoint.is_file():
                self._resume(checkpoint)

    def go(self) -> None:
        """Train to the end. ArithmeticError where gradients, or all scores, are not finite."""
        took: list[float] = []
        look = max(1, self.steps // self.manner.looks)
        looked = self.step - self.step % look
        while self.step < self.steps:
            began = self._clock()
            loss = self._one()
            took.append(self._clock() - began)
            self.spent += took[-1]
            if self.manner.seconds is not None and self.step >= PROBE_STEPS:
                left = LEARNING_SHARE * self.manner.seconds - self.spent
                fits = self.step + max(0, round(left / statistics.median(took[max(1, len(took) - RECENT_STEPS) :])))
                self.steps = max(PROBE_STEPS + 1, min(self.manner.steps, fits))
                look = max(1, self.steps // self.manner.looks)
            if self.step - looked >= look or self.step == self.steps:
                self._look(loss)
                looked = self.step
        if self.curve and not math.isfinite(self.best):
            raise ArithmeticError(f"no score of seed {self.seed} was finite: nothing was learned that may be kept")
        self.learner.model.load_state_dict(self.best_state)
        self.learner.model.eval()

    def _one(self) -> float:
        draw = torch.Generator().manual_seed(self.seed * 10_000_000 + self.step)
        model, manner = self.learner.model, self.manner
        cosine = 0.5 + 0.5 * math.cos(math.pi * min(1.0, self.step / self.steps))
        warm = min(1.0, (self.step + 1) / max(1, min(manner.warm_steps, self.steps // 10)))
        self.optimiser.rate(manner.rate * warm * cosine + 1e-6)
        model.train()
        cast = torch.autocast(self.device, manner.precision) if manner.precision else nullcontext()
        with cast:
            loss = self.learner.loss(draw, self.step)
        model.zero_grad()
        self.scaler.scale(loss).backward()
        for part in self.optimiser.parts:
            self.scaler.unscale_(part)
        norm = nn.utils.clip_grad_norm_(model.parameters(), manner.clip)
        if torch.isfinite(norm):  # of all: what is clipped by a norm that is not finite is NaN in every part
            for part in self.optimiser.parts:
                self.scaler.step(part)
        self._lost = 0 if torch.isfinite(norm) else self._lost + 1
        if self._lost >= LOST_STEPS:
            raise ArithmeticError(f"{self._lost} steps in a row to step {self.step} had no finite gradient")
        self.scaler.update()
        self.step += 1
        keep = min(manner.smoothing, (1 + self.step) / (10 + self.step))
        if self._pairs is None:  # the model's tensors are the same ones throughout
            pairs = [(self.smooth[k], v) for k, v in model.state_dict().items() if v.is_floating_point()]
            self._pairs = [list(side) for side in zip(*pairs, strict=True)]
        with torch.no_grad():
            torch._foreach_lerp_(*self._pairs, 1 - keep)
        return float(loss.detach())

    def _look(self, loss: float) -> None:
        model = self.learner.model
        now = {k: v.detach().clone() for k, v in model.state_dict().items()}
        model.load_state_dict(self.smooth)
        model.eval()
        with torch.no_grad():
            score, line = self.learner.score()
        model.load_state_dict(now)
        self.curve.append([self.step, *(float(f"{value:.5g}") for value in (loss, score))])
        if score < self.best:
            self.best, self.best_state = score, {k: v.clone() for k, v in self.smooth.items()}
        self._say(f"seed {self.seed} step {self.step} of {self.steps}, {self.spent:.0f} s: loss {loss:.4f}, {line}")
        if self.checkpoint is not None:
            half = self.checkpoint.with_suffix(".half")
            torch.save(
                {
                    "model": now, "smooth": self.smooth, "optimiser": self.optimiser.state_dict(),
                    "scaler": self.scaler.state_dict(), "best_state": self.best_state, "best": self.best,
                    "step": self.step, "steps": self.steps, "asked": self._asked, "spent": self.spent,
                    "curve": self.curve,
                },
                half,
            )  # fmt: skip
            half.replace(self.checkpoint)

    def _resume(self, checkpoint: Path) -> None:
        """Go on where a run was; ValueError where it was another run, or the file is none."""
        try:
            state = torch.load(checkpoint, map_location=self.device, weights_only=True)
            asked = state["asked"]
        except (RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as failure:
            raise ValueError(f"{checkpoint} is no checkpoint that can be read: remove it") from failure
        if asked != self._asked:
            raise ValueError(f"{checkpoint} is of another run ({asked}, not {self._asked}): remove it")
        try:
            self.learner.model.load_state_dict(state["model"])
        except RuntimeError as failure:
            raise ValueError(f"{checkpoint} is of another model: remove it") from failure
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        self.smooth, self.best_state, self.best = state["smooth"], state["best_state"], state["best"]
        self.step, self.steps = state["step"], state["steps"]
        self.spent, self.curve = state["spent"], state["curve"]


def share(text: str) -> float:
    """A number from 0 to 1, for a parser."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1, not {text}")
    return value


def main() -> None:
    parser = argparse.ArgumentParser(prog="operators.train", description="Train an operator and write its card.")
    parser.add_argument("name", choices=["melt-pool", "melt-pool-camera"])
    positive, natural = at_least(1), at_least(0)
    parser.add_argument("--trajectories", type=positive, help="1600; of the camera operator 1400 coarse tracks")
    parser.add_argument(
        "--more",
        type=natural,
        default=0,
        help="draws after those, of which only coarse ones are made, most of them with events",
    )
    parser.add_argument("--data-seed", type=natural, default=0)
    parser.add_argument("--go-on", action="store_true", help="from the shipped weights; by another --data-seed")
    parser.add_argument("--back", type=share, default=BACK, help="of the way to the weights that --go-on began with")
    parser.add_argument(
        "--beside",
        type=Path,
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="samples-... of earlier --work folders: each has an even share of every batch",
    )
    parser.add_argument("--fine", type=positive, default=300, help="fine tracks, of the camera operator")
    parser.add_argument("--validation", type=positive, default=20, help="tracks, of the camera operator")
    parser.add_argument("--test", type=positive, default=40, help="of the camera operator; half as many of alloys")
    parser.add_argument("--steps", type=positive, help="of each seed: 10000; of the camera operator 600")
    parser.add_argument("--seeds", type=positive, default=3, help="runs; the best by validation is shipped")
    add_device(parser)
    parser.add_argument("--workers", type=positive, default=os.cpu_count() or 1, help="processes that make the data")
    parser.add_argument("--work", type=Path, help="keep samples and checkpoints here, and go on from them")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "weights")
    told = parser.parse_args()
    if told.name == "melt-pool-camera":
        if told.go_on or told.more or told.beside:
            parser.error("--go-on, --more and --beside are of melt-pool: the camera operator is trained from scratch")
        from operators.camera import recipe as camera  # a recipe trains by this module

        sets = told.trajectories or 1400, told.fine, told.validation, told.test
        camera.train(*sets, told.steps or 600, told.seeds, told.work, told.out)
        return
    from operators.card import CardError
    from operators.melt_pool.recipe import train
    from operators.melt_pool.samples import FEWEST

    trajectories = told.trajectories or 1600
    if trajectories < FEWEST:
        parser.error(f"--trajectories must be at least {FEWEST}: fewer leave none to choose by and none to test")
    how = told.data_seed, told.steps or 10_000, told.seeds, told.device, told.workers
    try:
        train(trajectories, *how, told.work, told.out, told.more, told.go_on, told.beside, told.back)
    except (CardError, ValueError) as refusal:
        parser.error(str(refusal))


if __name__ == "__main__":
    main()
