"""Train an operator and write its card: `python -m operators.train melt-pool`.

One command makes the data, trains, chooses on a validation split by trajectory, and writes weights and card.
Deterministic given the seed on one device. `--data FILE` keeps the samples so that a second run does not make them
again.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from operators import card
from operators.asno import Asno
from operators.trajectories import BOX, LAGS, Sample, generate
from operators.window import WindowGrid

NAME = "asno-melt-pool"


def tensors(samples: list[Sample]) -> tuple[Tensor, Tensor, Tensor, np.ndarray]:
    """(forcing, condition, target, trajectory number) of all samples."""
    return (
        torch.from_numpy(np.stack([s.forcing for s in samples])),
        torch.from_numpy(np.stack([s.condition for s in samples])),
        torch.from_numpy(np.stack([s.target for s in samples])),
        np.array([s.trajectory for s in samples]),
    )


def loss_of(field: Tensor, target: Tensor, solidus: Tensor) -> Tensor:
    """Relative L2 of asinh(theta), with five times the weight around the solidus contour: sizes are read there."""
    edge = torch.asinh(solidus)[:, None, None, None]
    weight = 1 + 5 * torch.exp(-(((target - edge) / 0.25) ** 2))
    wrong = (weight * (field - target) ** 2).flatten(1).sum(1)
    return torch.sqrt(wrong / ((weight * target**2).flatten(1).sum(1) + 1.0)).mean()


def size_errors(model: Asno, data: tuple[Tensor, Tensor, Tensor], grid: WindowGrid) -> np.ndarray:
    """|error|/max(value, 0.25 d) of length, width and depth: (sample, 3); a pool in only one of the two counts as 1."""
    forcing, told, target = data
    found = []
    with torch.no_grad():
        for begin in range(0, len(told), 32):
            part = slice(begin, begin + 32)
            field = model(forcing[part].float(), told[part])
            for mine, theirs, groups in zip(field, target[part].float(), told[part], strict=True):
                level = float(1 - groups[0])
                a = np.array(grid.sizes(torch.sinh(mine).cpu().numpy(), level))
                b = np.array(grid.sizes(torch.sinh(theirs).cpu().numpy(), level))
                error = np.abs(a - b) / np.maximum(b, 0.25)
                found.append(np.where((a > 0) != (b > 0), 1.0, error))
    return np.array(found)


def train(trajectories: int, seconds: float, seed: int, device: str, data: Path | None, folder: Path) -> None:
    """The recipe."""
    torch.manual_seed(seed)
    grid = WindowGrid()
    began = time.time()
    if data is not None and data.is_file():
        stored = np.load(data)
        forcing, told, target, number = (
            *(torch.from_numpy(stored[name]) for name in ("forcing", "told", "target")),
            stored["number"],
        )
    else:
        samples = generate(trajectories, seed, grid, lambda done: done % 20 or print(f"trajectory {done}", flush=True))
        forcing, told, target, number = tensors(samples)
        if data is not None:
            np.savez(data, forcing=forcing.numpy(), told=told.numpy(), target=target.numpy(), number=number)
    held = number % 10 == 9
    fit, check = torch.from_numpy(np.flatnonzero(~held)), torch.from_numpy(np.flatnonzero(held))
    print(f"{len(fit)} samples to fit, {len(check)} to choose by, {time.time() - began:.0f} s", flush=True)
    forcing, told, target = forcing.to(device), told.to(device), target.to(device)
    model = Asno(len(grid.x), len(grid.y) * len(grid.z), told.shape[1]).to(device)
    model.mean.copy_(told[fit].mean(0))
    model.spread.copy_(told[fit].std(0))
    rate = 2e-3
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-4)
    best, best_state, curve = math.inf, None, []
    started, step = time.time(), 0
    while (spent := time.time() - started) < seconds:
        for group in optimiser.param_groups:
            warm = min(1.0, (step + 1) / 200)
            group["lr"] = rate * warm * (0.5 + 0.5 * math.cos(math.pi * min(1.0, spent / seconds))) + 1e-6
        model.train()
        rows = fit[torch.randint(len(fit), (24,))].to(device)
        mirrored = step % 2 == 1  # y -> -y is a symmetry of the physics
        x, y = forcing[rows].float(), target[rows].float()
        if mirrored:
            x, y = x.flip(3), y.flip(2)
        loss = loss_of(model(x, told[rows]), y, 1 - told[rows][:, 0])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        if step % 200 == 0:
            model.eval()
            errors = size_errors(model, (forcing[check], told[check], target[check]), grid)
            score = float(np.quantile(errors, 0.9, axis=0).mean())
            curve.append([step, float(loss), score])
            print(
                f"step {step} {spent:.0f} s loss {float(loss):.4f} sizes median {np.median(errors, axis=0).round(4)} "
                f"p90 {np.quantile(errors, 0.9, axis=0).round(4)}",
                flush=True,
            )
            if score < best:
                best, best_state = score, {k: v.detach().clone() for k, v in model.state_dict().items()}
    if best_state is not None:
        model.load_state_dict(best_state)
    model.eval()
    errors = size_errors(model, (forcing[check], told[check], target[check]), grid)
    card.save(
        folder,
        NAME,
        model.cpu(),
        {
            "operator": "ASNO",
            "channels": "asinh(theta), theta = (T - T0)/(T_liquidus - T0)",
            "grid": {"x": grid.x.tolist(), "y": grid.y.tolist(), "z": grid.z.tolist(), "unit": "beam diameter"},
            "lags": LAGS,
            "envelope": {name: list(bounds) for name, bounds in BOX.items()},
            "data": {
                "trajectories": int(number.max()) + 1,
                "samples": len(number),
                "seed": seed,
                "solver": "8 cells a diameter",
            },
            "training": {"seconds": round(time.time() - started), "steps": step, "device": device, "curve": curve},
            "validation": {
                "split": "one trajectory in ten, also used to choose the step",
                "size_error_median": np.median(errors, axis=0).round(4).tolist(),
                "size_error_p90": np.quantile(errors, 0.9, axis=0).round(4).tolist(),
                "size_error_p95": np.quantile(errors, 0.95, axis=0).round(4).tolist(),
                "of": ["length", "width", "depth"],
                "measure": "|error|/max(value, 0.25 d)",
            },
        },
    )
    print(f"wrote {folder / NAME}.safetensors and .json", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="operators.train", description="Train an operator and write its card.")
    parser.add_argument("name", choices=["melt-pool"])
    parser.add_argument("--trajectories", type=int, default=4000)
    parser.add_argument("--seconds", type=float, default=3600, help="wall seconds of training, data not counted")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--data", type=Path, help="keep the samples here (npz), or take them from here")
    parser.add_argument("--out", type=Path, default=card.WEIGHTS)
    told = parser.parse_args()
    train(told.trajectories, told.seconds, told.seed, told.device, told.data, told.out)


if __name__ == "__main__":
    main()
