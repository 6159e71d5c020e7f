"""Score: the errors of a row, the same function for every contender, and what one evaluation takes."""

import statistics
import time
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from operators.learner import mapped, relative, rolled, rollout
from operators.problem import Map, March, Trajectories

STARTS = 4  # rollouts from each test trajectory
ONE_STEPS = 16  # one-step errors from each test trajectory
LOOKS = 30  # timed evaluations


def march(stepper: Callable[..., Any], problem: March, part: Trajectories, steps: int = 1) -> dict[str, float]:
    """one: relative error of one step; rollout: over the whole stack of the horizon; end: of its last step."""
    n, horizon = problem.lags, problem.horizon
    volume = problem.geometry.volume.to(part.state.device)
    free = part.state.shape[1] - n - 1
    times = sorted({round(free * k / (ONE_STEPS - 1)) for k in range(ONE_STEPS)})
    one, end = [], []
    with torch.no_grad():
        for t in times:
            found = stepper(part.state[:, t : t + n], part.forcing[:, t : t + n + 1], part.static)
            one.append(relative(found[:, :1], part.state[:, t + n : t + n + 1], volume))
        free = part.state.shape[1] - n - horizon
        for k in range(STARTS):
            t = round(free * k / (STARTS - 1))
            state, forcing = part.state[:, t : t + n + horizon], part.forcing[:, t : t + n + horizon]
            found = rollout(stepper, state[:, :n], forcing, part.static, steps)
            end.append(relative(found[:, -1:], state[:, -1:], volume))
    whole = rolled(stepper, problem, part, steps, STARTS)
    return {"one": _mean(torch.cat(one)), "rollout": _mean(whole), "end": _mean(torch.cat(end))}


def growth(stepper: Callable[..., Any], problem: March, part: Trajectories, steps: int = 1) -> list[float]:
    """Mean relative error at each step of a rollout from the first lags of each trajectory: over the horizon, or twice
    as far where the trajectories go on."""
    n = problem.lags
    far = min(2 * problem.horizon, part.state.shape[1] - n)
    state, forcing = part.state[:, : n + far], part.forcing[:, : n + far]
    volume = problem.geometry.volume.to(part.state.device)
    with torch.no_grad():
        found = rollout(stepper, state[:, :n], forcing, part.static, steps)
    errors = [relative(found[:, t : t + 1], state[:, n + t : n + t + 1], volume) for t in range(far)]
    return [_mean(error) for error in errors]


def profile(stepper: Callable[..., Any], problem: March, part: Trajectories, steps: int = 1) -> list[float]:
    """The first channel along a line, of the first trajectory, at the end of the rollout from its first lags."""
    n, ahead = problem.lags, problem.horizon
    with torch.no_grad():
        found = rollout(stepper, part.state[:1, :n], part.forcing[:1, : n + ahead], part.static[:1], min(steps, ahead))
    return torch.nan_to_num(found[0, -1, :, 0], nan=1e3).clamp(-1e3, 1e3).tolist()


def one_map(model: Callable[..., Any], problem: Map, part: Any) -> dict[str, float]:
    """error: mean relative error of a sample."""
    return {"error": _mean(mapped(model, problem, part))}


def latency_ms(call: Callable[[], Any]) -> float:
    """Median of evaluations at batch 1."""
    took = []
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    with torch.no_grad():
        for _ in range(LOOKS):
            wait()
            began = time.perf_counter()
            call()
            wait()
            took.append(1e3 * (time.perf_counter() - began))
    return statistics.median(took[3:])


def gflop(call: Callable[[], Any]) -> float:
    """Of one evaluation at batch 1: products of matrices, convolutions and attention, 2 for a multiply-add. Not what
    goes element by element, nor Fourier transforms; a product of complex numbers counts as one of real ones."""
    known = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}
    with torch.enable_grad(), FlopCounterMode(display=False, custom_mapping=known) as counted:  # its hooks want a graph
        call()
    return counted.get_total_flops() / 1e9


def _attention(query: Any, key: Any, value: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    """Of the kernel that a CPU takes, which torch has no count for: its arguments come as shapes."""
    return int(sdpa_flop_count(query, key, value))


def memory_mb(call: Callable[[], Any]) -> float:
    """Of one evaluation at batch 1: the most that tensors made in it take up at one time, weights left out."""
    with torch.no_grad(), _Living() as living:
        call()
    return living.peak / 1e6


class _Living(TorchDispatchMode):
    """Bytes of the storages that operations have made and that still live, on any device."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in _tensors((args, kwargs or {})):
            self._known.add(tensor.untyped_storage()._cdata)
        made = func(*args, **(kwargs or {}))
        for tensor in _tensors(made):
            storage = tensor.untyped_storage()
            if storage._cdata not in self._known:
                self._known.add(storage._cdata)
                self.now += storage.nbytes()
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self._gone, storage._cdata, storage.nbytes())
        return made

    def _gone(self, which: int, size: int) -> None:
        self._known.discard(which)
        self.now -= size


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _mean(errors: torch.Tensor) -> float:
    return float(torch.nan_to_num(errors, nan=1e3, posinf=1e3).clamp(max=1e3).mean())
