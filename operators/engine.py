"""Engine: a trained operator on its device, serving many streams at once.

Knows nothing of MQTT, SQL or screens. Keeps the past path of each stream, evaluates all windows of a step as one
batch, and copies back only the fields asked for.
"""

import threading
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
from operators.window import WindowGrid

OLDEST = 2000.0  # d^2/alpha: heat from before has spread over 90 d; a hatch adds up what is younger
ROWS = 1000  # of the past path, straight stretches merged
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
        self._lock = threading.Lock()

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
        """See `Operator.step`."""
        views: list[tuple[np.ndarray, float, Task]] = []
        shape: list[int] = []
        for task in tasks:
            name = task.stream.name
            past, heading = self._past.get(name, np.zeros((0, 5))), self._heading.get(name, 0.0)
            before = len(views)
            for rows in task.observed:
                past = joined(past, rows)
                heading = heading_after(heading, rows)
                views.append((past, heading, task))
            views += [(joined(past, rows), heading_after(heading, rows), task) for rows in task.ahead]
            self._past[name], self._heading[name] = past, heading
            shape.append(len(views) - before)
        looks: list[Look] = []
        for begin in range(0, len(views), BATCH):
            looks += self._evaluate(views[begin : begin + BATCH])
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
            theta, means = torch.sinh(field).cpu().numpy(), tokens.mean(1).cpu().numpy()
        lately = [recent(past, task.stream.peclet, heading) for past, heading, task in views]
        before_that = [earlier(pair[0], task.stream.peclet) for pair, (_, _, task) in zip(pairs, views, strict=True)]
        codes = np.concatenate([told[:, :-1].cpu().numpy(), np.stack(lately), np.stack(before_that), means], axis=1)
        return [
            Look(field, float(past[-1, 1]), float(past[-1, 2]), heading, encoded=code)
            for field, code, (past, heading, _) in zip(theta, codes, views, strict=True)
        ]


def joined(past: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The past path with a stretch added: straight, even stretches of one source are merged, the oldest are dropped."""
    kept = list(past[-3:-1]) if len(past) > 1 else []
    head = past[: max(len(past) - 3, 0)]
    for row in rows if not len(past) else np.vstack([[*past[-1, :3], *rows[0, 3:]], rows[1:]]):
        if len(kept) >= 2 and _straight(kept[-2], kept[-1], row):
            kept[-1] = row
        else:
            kept.append(row)
    whole = np.vstack([head, *kept])[-ROWS:]
    young = int(np.searchsorted(whole[:, 0], whole[-1, 0] - OLDEST))
    return whole[max(young - 1, 0) :]


def _straight(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> bool:
    """Whether c goes on from a to b evenly and with the same source."""
    if a[3] != b[3] or a[4] != b[4] or b[0] <= a[0]:
        return False
    w = (c[0] - a[0]) / (b[0] - a[0])
    return bool(abs(a[1] + w * (b[1] - a[1]) - c[1]) < 1e-3 and abs(a[2] + w * (b[2] - a[2]) - c[2]) < 1e-3)
