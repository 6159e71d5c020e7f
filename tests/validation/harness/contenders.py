"""Contenders: who stands in a table. Trivial and classical rows first, then every learned operator at one budget."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from operators.learner import Scale, Scaled, Stepping
from operators.nets import correction, explicit
from operators.nets.asno import Asno
from operators.nets.conservative import FluxNo, HFluxNo, ViscousFluxNo
from operators.nets.fitted import Fitted
from operators.nets.lrsa import Lrsa
from operators.nets.viscous import FASTEST
from operators.nets.written import Written
from operators.problem import Geometry, Map, March, Problem
from tests.validation.baselines.deeponet import DeepOnet
from tests.validation.baselines.disco import Disco
from tests.validation.baselines.dpot import Dpot
from tests.validation.baselines.fno import Fno
from tests.validation.baselines.icon import Icon
from tests.validation.baselines.pod import Pod
from tests.validation.baselines.transformer import Transformer
from tests.validation.baselines.transolver import Transolver
from tests.validation.baselines.unet import Unet

WIDTHS = (8, 12, 16, 24, 32, 40, 48, 64, 80, 96, 112, 128, 160, 192, 256, 320, 384, 512)
HEADS = 4
FULL_POINTS = 256  # up to here ASNO's kernels are of every pair of points; above of patches, on a cloud through latents
LATENTS = 32
SWEPT_LATENTS = (4, 16, 48, 128)  # the transport kernel has rank 48
TIME_WIDTH = 32  # at most, of the tokens of a local explicit step, which are one for each patch and time
FEW_POINTS = 64  # below, a step costs what its optimiser does: larger batches, and kernels from H and F as they are
SPACE_WIDTH = 16  # at most, of the correction's tokens: their cost goes with the points, that of the flat step does not
PATCH_WIDTH = 32  # the same where a token is a patch
LIGHT_WIDTH = 8  # beside a local step, which has looked around already
CELLS = 100  # a side, up to which waves may cross as many cells a step as they may by default; more on a finer grid
FITTED_WIDTH = 16  # of the basis in which a law is fitted: a function of one state needs no more, and it is asked often
MANY_POINTS, WIDEST_PATCH = 1024, 4  # above so many LRSA's tokens are patches, of up to so many points a side
FLAT_POINTS = 1000  # up to here its explicit step is the paper's flattened one; above by patches


@dataclass(frozen=True)
class Learned:
    """A contender that trains: how it is built at a width, and what kind of training it takes on a march."""

    name: str
    build: Callable[[Problem, int], nn.Module]
    unroll: int = 2
    once: bool = False  # it reads its context once, and takes any number of steps from there
    told_flux: bool = False  # its loss knows the law's flux: only where the suite tells it
    finish: Callable[[nn.Module], object] = lambda model: None  # what is done to it between training and scoring

    def matched(self, problem: Problem, parameters: int) -> nn.Module:
        """The module whose number of parameters is nearest to what is aimed at. Widths that it refuses are left out."""
        best: tuple[float, int] | None = None
        refusal = ValueError("no width")
        for width in WIDTHS:
            try:
                count = sum(p.numel() for p in self.build(problem, width).parameters())
            except ValueError as told:
                refusal = told
                continue
            off = abs(torch.log(torch.tensor(count / parameters)).item())
            if best is None or off < best[0]:
                best = off, width
            if count > 2 * parameters:
                break
        if best is None:
            raise refusal
        return self.build(problem, best[1])


def _sizes(problem: March) -> tuple[int, int, int]:
    fit = problem.fit
    return fit.state.shape[-1], fit.forcing.shape[-1], fit.static.shape[-1]


def _flat(problem: March, width: int) -> nn.Module:
    driven = len(problem.geometry.points) <= FULL_POINTS
    return explicit.Flat(problem.geometry, *_sizes(problem), problem.lags, width=width, driven=driven)


def _patch(geometry: Geometry) -> int:
    """The largest patch, up to six a side, that divides the grid."""
    return next(p for p in (6, 5, 4, 3, 2, 1) if geometry.shape and not any(n % p for n in geometry.shape))


def _local(problem: March, width: int, joint: bool = False) -> nn.Module:
    if problem.geometry.shape is None:
        raise ValueError("a local explicit step needs a grid: this geometry is a cloud without a shape")
    patch = _patch(problem.geometry)
    wide = min(width, TIME_WIDTH)
    if not problem.geometry.periodic:
        return explicit.Local(problem.geometry, *_sizes(problem), problem.lags, width=wide, patch=patch, joint=joint)
    far = {"modes": _modes(problem.geometry), "reach": 0, "depth": 4}  # Fourier space reaches the neighbours too
    return explicit.Local(
        problem.geometry, *_sizes(problem), problem.lags, width=wide // 2, patch=patch, joint=joint, **far
    )


def _modes(geometry: Geometry) -> int:
    """Along an axis, of what goes through Fourier space."""
    return 12 if len(geometry.shape or ()) == 1 else 6


def _time(problem: March, width: int) -> nn.Module:
    return (_flat if len(problem.geometry.points) <= FLAT_POINTS else _local)(problem, width)


def _space(problem: March, width: int, light: bool = False) -> nn.Module:
    """light: beside a local step, which has looked around already."""
    geometry, sizes = problem.geometry, _sizes(problem)
    if len(geometry.points) <= FULL_POINTS:
        layers = 0 if len(geometry.points) < FEW_POINTS else 1
        return correction.Full(geometry, *sizes, width=min(width, SPACE_WIDTH), heads=HEADS // 2, layers=layers)
    if light or geometry.shape is None:
        how = (
            {"width": LIGHT_WIDTH, "heads": 1, "latents": LATENTS // 2}
            if light
            else {"width": min(width, SPACE_WIDTH), "heads": HEADS // 2, "latents": LATENTS}
        )
        return correction.LowRank(geometry, *sizes, layers=1, **how)
    return correction.Patched(
        geometry, *sizes, patch=_patch(geometry), width=min(width, PATCH_WIDTH), heads=HEADS, layers=2
    )


def _netted(net: Callable[..., nn.Module]) -> Callable[[Problem, int], nn.Module]:
    """A net on points, for a map as it is and for a march as a stepper."""

    def build(problem: Problem, width: int) -> nn.Module:
        geometry = problem.geometry
        if isinstance(problem, Map):
            return net(geometry, problem.fit.given.shape[-1], problem.fit.wanted.shape[-1], width)
        c, f, s = _sizes(problem)
        inputs = problem.lags * c + (problem.lags + 1) * f + s
        return Stepping(net(geometry, inputs, c, width), geometry)

    return build


def _fno(geometry: Geometry, inputs: int, outputs: int, width: int) -> nn.Module:
    return Fno(geometry, inputs, outputs, width, _modes(geometry))


def _lrsa(geometry: Geometry, inputs: int, outputs: int, width: int, latents: int | None = None) -> nn.Module:
    """Like the Transformer here, by patches of a grid where points are many."""
    patch = min(_patch(geometry), WIDEST_PATCH) if geometry.shape and len(geometry.points) > MANY_POINTS else 1
    return _lrsa_on_points(geometry, inputs, outputs, width, latents, patch)


def _lrsa_on_points(
    geometry: Geometry, inputs: int, outputs: int, width: int, latents: int | None = None, patch: int = 1
) -> nn.Module:
    """As published: a token a point."""
    latents = latents or min(64, max(8, len(geometry.points) // 4))
    return Lrsa(geometry, inputs, outputs, width, HEADS, latents, patch=patch)


MARCHING = (
    Learned("asno", lambda p, w: Asno(_time(p, w), _space(p, w))),
    Learned("asno-local", lambda p, w: Asno(_local(p, w), _space(p, w, light=True))),
    Learned("asno-joint", lambda p, w: Asno(_local(p, w, joint=True), None)),
    Learned("asno-without-time", lambda p, w: Asno(None, _space(p, w))),
    Learned("asno-without-space", lambda p, w: Asno(_time(p, w), None)),
    Learned("pod-mlp", lambda p, w: OneStep(Pod(p, w))),
)
NETS = tuple(
    Learned(name, _netted(net))
    for name, net in (
        ("lrsa", _lrsa), ("transformer", Transformer), ("transolver", Transolver), ("unet", Unet), ("fno", _fno),
        ("deeponet", DeepOnet),
    )
)  # fmt: skip


def _floor(problem: March) -> Tensor:
    """What no state may fall below, as a stepper sees it that is `Scaled`."""
    scale = Scale(problem.fit.state)
    floor = torch.full((problem.fit.state.shape[-1],), -torch.inf)
    for channel in problem.positive:
        floor[channel] = -scale.mean[channel] / scale.spread[channel]
    return floor


def _flux(kind: type[nn.Module], **given: int) -> Callable[[Problem, int], nn.Module]:
    def build(problem: March, width: int) -> nn.Module:
        return kind(problem.geometry, _sizes(problem)[0], width=width, floor=_floor(problem), **given)

    return build


def _viscous(reader: type[nn.Module], widest: int) -> Callable[[Problem, int], nn.Module]:
    def build(problem: March, width: int) -> nn.Module:
        channels = _sizes(problem)[0]
        law = reader(problem.geometry, channels, width=min(width, widest))
        fastest = FASTEST * max(1.0, max(problem.geometry.shape or (1,)) / CELLS)
        return ViscousFluxNo(problem.geometry, channels, law, floor=_floor(problem), fastest=fastest)

    return build


def _inner(model: Scaled, times: int) -> None:
    """It goes on in cells so many times smaller than those it was trained on."""
    model.stepper.inner = times


CONSERVING = (
    Learned("flux-no", _flux(FluxNo), once=True),
    Learned("flux-no-told", _flux(FluxNo), once=True, told_flux=True),
    Learned("hfluxno", _flux(HFluxNo), once=True),
    Learned("hfluxno-viscous", _viscous(Written, 64), once=True),
    Learned("fitted-flux-no", _viscous(Fitted, FITTED_WIDTH), once=True),
    Learned("fitted-flux-no-finer", _viscous(Fitted, FITTED_WIDTH), once=True, finish=lambda model: _inner(model, 2)),
)
"""Where all that happens in a cell is what passes through its faces."""
READING = (
    Learned("dpot", Dpot),
    Learned("disco", Disco, once=True),
    Learned("icon", Icon),
    *(net for net in NETS if net.name == "fno"),
)
"""Where a trajectory's law is its own, and only its past tells it."""


def learned(problem: Problem) -> dict[str, Learned]:
    """Every learned contender that a problem of this kind has; some may still refuse its geometry. Where a kernel does
    not compress, LRSA stands there with several numbers of latents."""
    some: tuple[Learned, ...] = NETS
    in_context = isinstance(problem, March) and problem.in_context
    if isinstance(problem, March):
        some = READING if in_context else (*MARCHING, *NETS)
        some = (*CONSERVING, *some) if problem.conserved else some
    if problem.geometry.shape is not None and len(problem.geometry.points) > MANY_POINTS and not in_context:
        some += (Learned("lrsa-points", _netted(_lrsa_on_points)),)
    if problem.name == "transport":
        some += tuple(Learned(f"lrsa-{m}", _netted(partial(_lrsa, latents=m))) for m in SWEPT_LATENTS)
    return {c.name: c for c in some}


class OneStep(nn.Module):
    """A module that gives the next state alone, as a stepper of one step."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, lags: Tensor, forcing: Tensor, static: Tensor) -> Tensor:
        return self.module(lags, forcing, static)[:, None]


def persistence(lags: Tensor, forcing: Tensor, static: Tensor) -> Tensor:
    return lags[:, -1:]
