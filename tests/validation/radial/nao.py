"""Nao: the discrete nonlocal attention operator (arXiv 2408.07307): from a context of pairs, the kernel that made them.

Tokens are points, their features the d values of u and the d of f there: J_0 = [U, F]. Each layer adds attention
without softmax or values of its own, J <- J + (J W_Q W_K^T J^T / sqrt(d_k)) J / N, and the kernel is

    G = W_Pu (Q_u K_u^T / sqrt(d_k)) + W_Pf (Q_f K_u^T / sqrt(d_k)),   Q_u, K_u of J_T's half of u, Q_f of that of f.

Sigma is the identity, as its authors advise. What is ours: u and f enter at unit size and G is scaled back, so that
K[a u, b f] = (b/a) K[u, f]; and K = G - diag(G 1), so that constants give nothing (the integrand is u(y) - u(x)).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators.train import Manner, Run
from tests.validation.radial.case import Contexts, RadialTask, field_error


class Product(nn.Module):
    """Q K^T / sqrt(d_k) of two feature matrices."""

    def __init__(self, queries: int, keys: int, width: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(queries, width) * queries**-0.5)
        self.key = nn.Parameter(torch.randn(keys, width) * keys**-0.5)
        self.width = width

    def forward(self, a: Float[Tensor, "b point queries"], b: Float[Tensor, "b point keys"]) -> Tensor:
        return (a @ self.query) @ (b @ self.key).mT / math.sqrt(self.width)


class Nao(nn.Module):
    def __init__(self, points: int, pairs: int, width: int = 40, layers: int = 2) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Product(2 * pairs, 2 * pairs, width) for _ in range(layers))
        self.of_u, self.of_f = Product(pairs, pairs, width), Product(pairs, pairs, width)
        self.of_f.key = self.of_u.key  # one K_u for both
        self.project_u = nn.Parameter(torch.randn(points, points) / points)
        self.project_f = nn.Parameter(torch.eye(points) + torch.randn(points, points) / points)

    def kernel(
        self, context_u: Float[Tensor, "b pair point"], context_f: Float[Tensor, "b pair point"]
    ) -> Float[Tensor, "b point point"]:
        points, pairs = context_u.shape[-1], context_u.shape[-2]
        size_u, size_f = (c.square().mean((1, 2), keepdim=True).sqrt() for c in (context_u, context_f))
        tokens = torch.cat([context_u / size_u, context_f / size_f], 1).mT
        for layer in self.layers:
            tokens = tokens + layer(tokens, tokens) @ tokens / points
        u, f = tokens.split(pairs, -1)
        kernel = self.project_u @ self.of_u(u, u) + self.project_f @ self.of_f(f, u)
        kernel = kernel * (size_f / size_u / points)
        return kernel - torch.diag_embed(kernel.sum(-1))

    def forward(self, context_u: Tensor, context_f: Tensor, new_u: Float[Tensor, "b new point"]) -> Tensor:
        return new_u @ self.kernel(context_u, context_f).mT


class NaoLearner:
    """The relative L2 of K u for new u of the fit split (kernels are never told). Each batch's pairs are mixed by a
    random rotation, which leaves a context of Gaussian fields what it is. See `operators.train.Run`."""

    def __init__(self, task: RadialTask, seed: int = 0, width: int = 40, batch: int = 16) -> None:
        torch.manual_seed(seed)
        self.task, self.batch, self.pairs = task, batch, task.fit.u.shape[1]
        self.model = Nao(task.fit.u.shape[2], self.pairs, width)

    def loss(self, draw: torch.Generator, step: int) -> Tensor:
        fit = self.task.fit
        some = torch.randint(len(fit), (self.batch,), generator=draw)
        turn = torch.linalg.qr(torch.randn(self.pairs, self.pairs, generator=draw)).Q
        out = self.model(turn @ fit.u[some], turn @ fit.f[some], fit.new_u[some])
        return ((out - fit.new_f[some]).norm(dim=(1, 2)) / fit.new_f[some].norm(dim=(1, 2))).mean()

    def score(self) -> tuple[float, str]:
        error = score(self.model, self.task.validation)
        return error, f"error of K u {error:.4f}"


def train(task: RadialTask, seconds: float, seed: int = 0, width: int = 40, rate: float = 3e-3) -> Run:
    """By the one loop; the model is `run.learner.model`."""
    run = Run(
        NaoLearner(task, seed, width), Manner(1_000_000, rate, looks=30, seconds=seconds), seed, say=lambda line: None
    )
    run.go()
    return run


@torch.no_grad()
def score(model: Nao, data: Contexts) -> float:
    return float(field_error(model.kernel(data.u, data.f), data).mean())
