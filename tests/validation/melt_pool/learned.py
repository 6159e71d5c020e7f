"""Learned: baselines of the melt pool, on the samples that the shipped operator learned from, in the same seconds of
one core each, tuning included.

Most read what ASNO reads: the forcings of the path, and what is told. `pod-mlp` and `deeponet` read the controls
instead, where the beam was and what it gave in the last frames, and so tell what the forcings are worth. Loss, choice
of the step on validation and mirror image are those of `operators.melt_pool.recipe`.
"""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators import card
from operators.engine import Engine
from operators.melt_pool import shards
from operators.melt_pool.asno import Asno
from operators.melt_pool.forcing import CHANNELS
from operators.melt_pool.losses import Losses
from operators.melt_pool.plan import TRAVEL
from operators.melt_pool.recipe import NAME, MeltPoolLearner, asno_of
from operators.melt_pool.samples import LOSSES, Samples
from operators.melt_pool.trajectories import CONDITION, condition, depth_now
from operators.nets.lrsa import Lrsa
from operators.path import joined
from operators.problem import Geometry
from operators.train import Manner, Run
from operators.window import WindowGrid
from tests.validation.baselines.deeponet import mlp
from tests.validation.baselines.fno import Fno
from tests.validation.baselines.places import Places
from tests.validation.baselines.transolver import Transolver
from tests.validation.baselines.unet import Unet
from tests.validation.harness.budgets import TRIAL_SHARE
from tests.validation.melt_pool.case import Trajectory
from tests.validation.melt_pool.cells import Cells
from tests.validation.melt_pool.rows import Free, operator_run

SECONDS = {"smoke": 10.0, "small": 300.0, "medium": 3_000.0, "full": 600.0}  # of one core; of a GPU at full
RATES = (1e-3, 3e-3, 1e-2)
LOOKS, CHOOSERS = 6, 150
BATCH = 24  # samples a step of what takes a window by its cross-sections, or in a few numbers
BATCH_OF_POINTS = 8  # of what looks at each point, a hundred times as dear
FRAMES = 20  # of controls
CONTROLS = ("x", "y", "q")
MODES = 256  # of the POD of what is to be told
SNAPSHOTS = 1_500
WIDTHS = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384)
PECLET = CONDITION.index("peclet")


class Told(nn.Module):
    """What every contender has: the mean and spread of what is told, and what an `Engine` asks for."""

    token_width = 0

    def __init__(self, told: int, losses: Losses | None = None) -> None:
        super().__init__()
        self.losses = losses
        self.register_buffer("mean", torch.zeros(told))
        self.register_buffer("spread", torch.ones(told))

    def looked(self, read: Tensor, told: Tensor) -> tuple[Tensor, Tensor]:
        return self(read, told), read.new_zeros(len(read), 1, 0)


class OfForcings(Told):
    """The first forcing, plus what a net on points makes of all of them and of what is told, the same at each node."""

    def __init__(self, told: int, losses: Losses | None, net: Callable[[Geometry, int, int], nn.Module]) -> None:
        super().__init__(told, losses)
        geometry = geometry_of()
        self.register_buffer("where", geometry.points, persistent=False)
        self.net = net(geometry, len(CHANNELS) + told, 1)
        self.gain = nn.Parameter(torch.tensor(0.1))

    def forward(
        self, forcing: Float[Tensor, "b channel x y z"], told: Float[Tensor, "b c"]
    ) -> Float[Tensor, "b x y z"]:
        fields = forcing.flatten(2).transpose(1, 2)
        same = ((told - self.mean) / self.spread)[:, None].expand(-1, fields.shape[1], -1)
        found = self.net(torch.cat([fields, same], -1), self.where.expand(len(fields), -1, -1))[..., 0]
        return forcing[:, 0] + self.gain * found.view(forcing[:, 0].shape)


class WithoutTime(Asno):
    """ASNO that sees the first forcing alone: it stands for those of other diffusivities, and for the one before."""

    def looked(self, forcing: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        return super().looked(forcing[:, :1].expand_as(forcing), condition)


class WithoutSpace(Asno):
    """ASNO whose cross-sections know nothing of each other: X is H."""

    def __init__(self, *told: Any, **sizes: Any) -> None:
        super().__init__(*told, **sizes)
        del self.space, self.of_h, self.of_f
        self.space, self.of_h, self.of_f = nn.Identity(), Nothing(), Nothing()


class Nothing(nn.Module):
    """In the place of a kernel."""

    def forward(self, tokens: Tensor, u: Tensor) -> Tensor:
        return torch.zeros_like(u)


class OfControls(Told):
    """What reads the controls of the last FRAMES frames, and says the field in a basis."""

    def __init__(self, told: int) -> None:
        super().__init__(told)
        self.size = FRAMES * len(CONTROLS) + told

    def known(self, controls: Float[Tensor, "b frame 3"], told: Float[Tensor, "b c"]) -> Float[Tensor, "b size"]:
        return torch.cat([(controls / controls.new_tensor([5.0, 2.0, 10.0])).flatten(1),
                          (told - self.mean) / self.spread], 1)  # fmt: skip


class Pod(OfControls):
    """An MLP, and a linear path beside it, to the coefficients of a POD of the fields (arXiv 1809.07086 and many)."""

    def __init__(self, told: int, basis: "Basis", width: int) -> None:
        super().__init__(told)
        self.shape = WindowGrid().shape
        self.register_buffer("middle", basis.middle)
        self.register_buffer("rows", basis.rows)
        size = len(basis.rows)
        self.linear, self.mlp = nn.Linear(self.size, size), mlp(self.size, width, width, width, size)
        for last in (self.linear, self.mlp[-1]):
            nn.init.zeros_(cast(nn.Linear, last).weight)
            nn.init.zeros_(cast(nn.Linear, last).bias)

    def forward(self, controls: Tensor, told: Tensor) -> Tensor:
        known = self.known(controls, told)
        return (self.middle + (self.linear(known) + self.mlp(known)) @ self.rows).unflatten(1, self.shape)


class Basis(NamedTuple):
    """Proper orthogonal modes of fields, each as long as it spreads, around their mean."""

    middle: Float[Tensor, " node"]
    rows: Float[Tensor, "mode node"]

    @staticmethod
    def of(fields: Float[Tensor, "snapshot x y z"]) -> "Basis":
        flat = fields.flatten(1).float()
        middle = flat.mean(0)
        _, s, modes = torch.svd_lowrank(flat - middle, q=min(MODES, len(flat) - 1), niter=4)
        return Basis(middle, (modes * s / len(flat) ** 0.5).T.contiguous())


class DeepOnet(OfControls):
    """A branch reads the controls, a trunk the place; their product is the field (arXiv 1910.03193)."""

    def __init__(self, told: int, width: int) -> None:
        super().__init__(told)
        geometry = geometry_of()
        self.shape = cast(tuple[int, ...], geometry.shape)
        places = Places(geometry)
        self.register_buffer("where", places(geometry.points), persistent=False)
        self.branch, self.trunk = (
            mlp(self.size, width, width, width, width),
            mlp(places.size, width, width, width, width),
        )
        self.scale, self.offset = nn.Parameter(torch.tensor(width**-0.5)), nn.Parameter(torch.zeros(()))

    def forward(self, controls: Tensor, told: Tensor) -> Tensor:
        found = self.branch(self.known(controls, told)) @ self.trunk(self.where).T
        return (found * self.scale + self.offset).unflatten(1, self.shape)


class ControlsLearner(MeltPoolLearner):
    """Of what reads controls."""

    def mirrored(self, read: Tensor) -> Tensor:
        return read * read.new_tensor([1.0, -1.0, 1.0])


def geometry_of() -> Geometry:
    """The window's nodes as points."""
    grid = WindowGrid()
    weights = torch.from_numpy(grid.weights()).float().flatten()
    points = torch.stack(torch.meshgrid(*(torch.from_numpy(a).float() for a in (grid.x, grid.y, grid.z)),
                                        indexing="ij"), -1)  # fmt: skip
    return Geometry(points.flatten(0, 2), weights / weights.sum(), grid.shape)


def controls(path: np.ndarray, peclet: float, heading: float) -> np.ndarray:
    """(frame, CONTROLS) of a path of rows (t, x, y, q, depth) that ends now, newest first: where the beam was at the
    end of each of the last FRAMES frames, seen from the window of now, in d, and its mean q since the frame before.
    Before the path began the beam stood where it began, and gave nothing."""
    ends = path[-1, 0] - TRAVEL / peclet * np.arange(FRAMES + 1)
    x, y = (np.interp(ends[:-1], path[:, 0], path[:, axis]) - path[-1, axis] for axis in (1, 2))
    given = np.concatenate([[0.0], np.cumsum(np.diff(path[:, 0]) * path[:-1, 3])])
    spent = np.interp(ends, path[:, 0], given)
    q = (spent[:-1] - spent[1:]) * peclet / TRAVEL
    cos, sin = math.cos(heading), math.sin(heading)
    return np.stack([cos * x + sin * y, cos * y - sin * x, q], 1).astype(np.float32)


class Material(NamedTuple):
    """What contenders learn from: samples with forcings, the same with controls, by which losses forcings were made,
    and modes of the fields."""

    of_forcings: Samples
    of_controls: Samples
    losses: Losses
    basis: Basis

    @staticmethod
    def read(folder: Path) -> "Material":
        """A folder `samples-...` of `./meltwin train melt-pool --work`, with the `shards` beside it. ValueError where
        its forcings are not those that the shipped weights read."""
        if not (folder / "forcing.npy").is_file():
            raise ValueError(f"{folder} has no samples: `./meltwin train melt-pool --work FOLDER` leaves some there")
        data, losses = Samples.read(folder), card.load(NAME)[0].losses
        flat = torch.cat([value.flatten() for value in losses.state_dict().values()]).numpy()
        if not np.array_equal(np.load(folder / f"{LOSSES}.npy"), flat):
            raise ValueError(f"forcings in {folder} were made by other losses than those of the shipped weights")
        kept = [each for path in sorted((folder.parent / "shards").glob("*.npz")) for each in shards.read(path)]
        if not np.array_equal([each.trajectory for each in kept], data.trajectory):
            raise ValueError(f"the shards beside {folder} are of other draws")
        read = np.stack([controls(s.path, math.exp(s.condition[PECLET]), s.heading) for s in kept])
        return Material.of(data, torch.from_numpy(read), losses)

    @staticmethod
    def of(data: Samples, read: Float[Tensor, "sample frame control"], losses: Losses) -> "Material":
        fit = data.part("fit")
        basis = Basis.of(data.target[fit[:: max(1, len(fit) // SNAPSHOTS)]])
        return Material(data, Samples(read, data.told, data.target, data.trajectory), losses, basis)

    @property
    def told(self) -> int:
        return self.of_forcings.told.shape[1]


@dataclass(frozen=True)
class Learned:
    """A contender: built at a width, and how it trains."""

    build: Callable[[Material, int], nn.Module]
    batch: int = BATCH
    of_controls: bool = False

    def made(self, material: Material) -> nn.Module:
        """With as many parameters as ASNO has, as nearly as its width allows."""
        wanted, best = count(asno_of(material.told, material.losses)), None
        for width in WIDTHS:
            try:
                model = self.build(material, width)
            except ValueError:
                continue  # a width that it refuses
            if best is None or _off(model, wanted) < _off(best, wanted):
                best = model
            if count(model) >= wanted:
                break
        assert best is not None
        return best


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _off(model: nn.Module, wanted: int) -> float:
    return abs(math.log(count(model) / wanted))


def _asno(kind: type[Asno]) -> Learned:
    return Learned(lambda material, _: asno_of(material.told, material.losses, kind))


def _netted(net: Callable[..., nn.Module], **sizes: int) -> Learned:
    """A net on points: (geometry, inputs, outputs, width)."""

    def build(material: Material, width: int) -> nn.Module:
        return OfForcings(material.told, material.losses, lambda *asked: net(*asked, width, **sizes))

    return Learned(build, BATCH_OF_POINTS)


CONTENDERS = {
    "asno": _asno(Asno),
    "asno-without-time": _asno(WithoutTime),
    "asno-without-space": _asno(WithoutSpace),
    "pod-mlp": Learned(lambda material, width: Pod(material.told, material.basis, width), of_controls=True),
    "deeponet": Learned(lambda material, width: DeepOnet(material.told, width), of_controls=True),
    "unet": _netted(Unet),
    "fno": _netted(Fno, modes=6),
    "lrsa": _netted(Lrsa, heads=2, latents=32, layers=2),
    "transolver": _netted(Transolver),
}


class Trained(NamedTuple):
    """A contender that has learned, and how."""

    model: nn.Module
    run: Run
    rate: float
    seconds: float


def trained(name: str, material: Material, seconds: float, seed: int = 0, device: str = "cpu") -> Trained:
    """Three rates are tried, a tenth of the seconds each; the best of them has the rest."""
    contender = CONTENDERS[name]
    data = material.of_controls if contender.of_controls else material.of_forcings
    kind = ControlsLearner if contender.of_controls else MeltPoolLearner

    def run(rate: float, share: float, looks: int) -> Run:
        torch.manual_seed(seed)
        learner = kind(data, contender.made(material), device, contender.batch, CHOOSERS)
        torch.manual_seed(seed)
        made = Run(learner, Manner(1_000_000, rate, looks=looks, seconds=share * seconds), seed, say=_say)
        made.go()
        return made

    tried = {rate: run(rate, TRIAL_SHARE, 2) for rate in RATES}
    best = min(tried, key=lambda rate: tried[rate].best)
    last = run(best, 1 - TRIAL_SHARE * len(RATES), LOOKS)
    return Trained(last.learner.model, last, best, last.spent + sum(each.spent for each in tried.values()))


def free(name: str, model: nn.Module, device: str = "cpu") -> Free:
    """A trained contender as a row: from a cold plate by the path alone."""
    if CONTENDERS[name].of_controls:
        return Free("learned", partial(_by_controls, model), count(model))
    told = {"name": name, "grid": card.load(NAME)[1]["grid"]}
    return Free("learned", operator_run(Engine(cast(Asno, model), told, device)), count(model))


def _by_controls(model: Any, trajectory: Trajectory) -> np.ndarray:
    case, past, read, told = trajectory.case, np.zeros((0, 5)), [], []
    device = model.mean.device
    for rows, (_, _, heading) in zip(case.stretches, case.poses, strict=True):
        past = joined(past, rows)
        read.append(controls(past, case.stream.peclet, heading))
        told.append(condition(case.stream, depth_now(past)))
    with torch.inference_mode():
        parts = zip(*(torch.from_numpy(np.stack(each)).to(device).split(32) for each in (read, told)), strict=True)
        theta = torch.cat([torch.sinh(model(*part)).cpu() for part in parts])
    return Cells(WindowGrid()).means(theta.numpy())


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)
