"""Engine: a trained operator on its device, serving many streams at once.

Knows nothing of MQTT, SQL or screens. Keeps the past path of each stream, evaluates all windows of a step as one
batch, and copies back only the fields asked for.
"""

from typing import Any

import numpy as np
import torch

from operators.attribution.gradients import Gradients
from operators.card import CardError
from operators.melt_pool.asno import Asno
from operators.melt_pool.earlier import earlier
from operators.melt_pool.forcing import forcing, sources, together
from operators.melt_pool.recent import recent
from operators.melt_pool.trajectories import condition, depth_now
from operators.operator import Look, Task, heading_after
from operators.path import joined
from operators.window import WindowGrid

BATCH = 32


class Engine:
    """`Operator` by an ASNO: fields from the forcings of the path and the learned correction. `fine`: which of its two
    teachers is meant."""

    def __init__(self, model: Asno, card: dict[str, Any], device: str = "cpu", fine: bool = True) -> None:
        self.grid = WindowGrid()
        known = card["grid"]
        for axis in "xyz":
            mine = getattr(self.grid, axis)
            if len(known[axis]) != len(mine) or not np.allclose(known[axis], mine):
                raise CardError(f"card {card['name']} was trained on another grid")
        self.card = {**card, "device": device}
        self._model = model
        self._device, self._fine = device, fine
        self._x, self._y, self._z = (
            torch.from_numpy(a).float().to(device) for a in (self.grid.x, self.grid.y, self.grid.z)
        )
        self._past: dict[str, np.ndarray] = {}
        self._heading: dict[str, float] = {}

    @property
    def token_width(self) -> int:
        """How many of the last numbers of `Look.encoded` are the encoder's."""
        return self._model.token_width

    def forget(self, stream: str) -> None:
        """See `Operator.forget`."""
        self._past.pop(stream, None)
        self._heading.pop(stream, None)

    def gradients(self) -> Gradients:
        """How what this operator says hangs on what it is told; touches no stream."""
        return Gradients(self._model, self.grid, self._device)

    def step(self, tasks: list[Task]) -> list[list[Look]]:
        """See `Operator.step`. ValueError for a path that is none, and then no stream has gone on."""
        for rows in (rows for task in tasks for rows in (*task.observed, *task.ahead)):
            _check(rows)
        views: list[tuple[np.ndarray, float, Task]] = []
        shape: list[int] = []
        went_on: dict[str, tuple[np.ndarray, float]] = {}
        for task in tasks:
            name = task.stream.name
            known = self._past.get(name, np.zeros((0, 5))), self._heading.get(name, 0.0)
            past, heading = went_on.get(name, known)
            before = len(views)
            for rows in task.observed:
                past = joined(past, rows)
                heading = heading_after(heading, rows)
                views.append((past, heading, task))
            views += [(joined(past, rows), heading_after(heading, rows), task) for rows in task.ahead]
            went_on[name] = past, heading
            shape.append(len(views) - before)
        looks: list[Look] = []
        for begin in range(0, len(views), BATCH):
            looks += self._evaluate(views[begin : begin + BATCH])
        for name, (past, heading) in went_on.items():
            self._past[name], self._heading[name] = past, heading
        out, begin = [], 0
        for count in shape:
            out.append(looks[begin : begin + count])
            begin += count
        return out

    def _kept(self, paths: list[np.ndarray], told: np.ndarray) -> list[np.ndarray]:
        return paths if self._model.losses is None else self._model.losses.kept_of(paths, told)

    def _evaluate(self, views: list[tuple[np.ndarray, float, Task]]) -> list[Look]:
        said = np.stack([condition(task.stream, depth_now(past), self._fine) for past, _, task in views])
        paths = self._kept([past for past, *_ in views], said)
        pairs = [
            sources(path, task.stream.peclet, heading) for path, (_, heading, task) in zip(paths, views, strict=True)
        ]
        now, before = (together([pair[i] for pair in pairs]).to(self._device) for i in range(2))
        told = torch.from_numpy(said).to(self._device)
        with torch.inference_mode():
            read = forcing(now, before, told, self._x, self._y, self._z)
            field, tokens = self._model.looked(read, told)
            theta, means = torch.sinh(field).clamp_(min=0).cpu().numpy(), tokens.mean(1).cpu().numpy()
        theta[[not len(at) for at, _ in pairs]] = 0.0  # what nobody heated is cold
        lately = [recent(past, task.stream.peclet, heading) for past, heading, task in views]
        before_that = [earlier(pair[0], task.stream.peclet) for pair, (_, _, task) in zip(pairs, views, strict=True)]
        codes = np.concatenate([told[:, :-1].cpu().numpy(), np.stack(lately), np.stack(before_that), means], axis=1)
        return [
            Look(field, float(past[-1, 1]), float(past[-1, 2]), heading, encoded=code)
            for field, code, (past, heading, _) in zip(theta, codes, views, strict=True)
        ]


def _check(rows: np.ndarray) -> None:
    """Whether these are rows (t, x, y, q, depth)."""
    if rows.ndim != 2 or rows.shape[1] != 5 or not len(rows):
        raise ValueError(f"path wants rows (t, x, y, q, depth), got {rows.shape}")
    if not np.isfinite(rows).all() or (np.diff(rows[:, 0]) < 0).any():
        raise ValueError("path must be finite and its times must not go back")
    if (rows[:, 3:] < 0).any():
        raise ValueError("path must have source strengths and depths of at least 0")
