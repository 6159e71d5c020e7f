"""Nao: the discrete nonlocal attention operator (arXiv 2408.07307): from a context of pairs, the kernel that made them.

Tokens are points, their features the d values of u and the d of f there: J_0 = [U, F]. Each layer adds attention
without softmax or values of its own, J <- J + (J W_Q W_K^T J^T / sqrt(d_k)) J / N, and the kernel is

    G = W_Pu (Q_u K_u^T / sqrt(d_k)) + W_Pf (Q_f K_u^T / sqrt(d_k)),   Q_u, K_u of J_T's half of u, Q_f of that of f.

Sigma is the identity, as its authors advise. What is ours: u and f enter at unit size and G is scaled back, so that
K[a u, b f] = (b/a) K[u, f]; and K = G - diag(G 1), so that constants give nothing (the integrand is u(y) - u(x)).
"""

import math
import time
from copy import deepcopy

import torch
from jaxtyping import Float
from torch import Tensor, nn

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


def train(task: RadialTask, seconds: float, seed: int = 0, width: int = 40, rate: float = 3e-3, batch: int = 16) -> Nao:
    """Adam on the relative L2 of K u for new u of the fit split (kernels are never told), the rate falling as a cosine
    with time. Each batch's pairs are mixed by a random rotation, which leaves a context of Gaussian fields what it is.
    The weights that did best on the validation split are kept."""
    random = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    fit, pairs = task.fit, task.fit.u.shape[1]
    model = Nao(task.fit.u.shape[2], pairs, width)
    optimiser = torch.optim.Adam(model.parameters(), rate)
    best, kept, start, steps = math.inf, deepcopy(model.state_dict()), time.monotonic(), 0
    while (done := (time.monotonic() - start) / seconds) < 1:
        for group in optimiser.param_groups:
            group["lr"] = rate * (1 + math.cos(math.pi * done)) / 2
        some = torch.randint(len(fit), (batch,), generator=random)
        turn = torch.linalg.qr(torch.randn(pairs, pairs, generator=random)).Q
        out = model(turn @ fit.u[some], turn @ fit.f[some], fit.new_u[some])
        loss = ((out - fit.new_f[some]).norm(dim=(1, 2)) / fit.new_f[some].norm(dim=(1, 2))).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if steps % 50 == 0 and (error := score(model, task.validation)) < best:
            best, kept = error, deepcopy(model.state_dict())
        steps += 1
    if score(model, task.validation) > best:
        model.load_state_dict(kept)
    return model


@torch.no_grad()
def score(model: Nao, data: Contexts) -> float:
    return float(field_error(model.kernel(data.u, data.f), data).mean())
