"""ASNO: attention over time for the explicit step, a nonlocal attention operator in space for the implicit correction.

After Karkaria et al., arXiv 2506.11328 (Eq. 2-12), with three differences, all deliberate. Attention runs over the
lags of each sample (the released code attends across the batch). The printed Eq. 12 vanishes when the laser is off;
here

    X(z) = H(z) + int K_h(z, z') H(z') dz' + int K_f(z, z') F(z') dz'.

And what the Transformer attends over are forcings of the whole past path (`operators.melt_pool.forcing`): how it
would have heated the window at several diffusivities, now and a moment ago, which carries turns, steps, laser-off and
earlier tracks; the operator learns what a changing k and c and the latent heat make of them, in H by cross-sections
and, where it is asked for (`Local`), node by node. It does not read its own output back, so a free run cannot drift;
nor can it take up an observed field.

A token is one cross-section of the window (all nodes at one x) of one forcing, weights are shared over them; fields are
asinh(theta).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators.melt_pool.forcing import CHANNELS
from operators.melt_pool.losses import Losses

TOGETHER = 2  # windows whose nodes are corrected at once on a CPU: what they need stays in its cache


class Asno(nn.Module):
    """(forcings, condition) -> field. The first forcing is the one that is corrected, F.

    sections: cross-sections along x; nodes: y times z nodes of each; condition: numbers beside the forcing; width: of
    the tokens that look at each other over time; space_width: of those that do over space, one for five of the former
    (left out: the same); local: of what corrects each node by itself (0: nothing does); losses: whether the forcing
    counts what evaporation leaves of each source (`losses`).
    """

    def __init__(
        self, sections: int, nodes: int, condition: int, channels: int = len(CHANNELS), width: int = 64, heads: int = 4,
        time_layers: int = 2, space_layers: int = 3, space_width: int | None = None, losses: bool = False,
        local: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        space_width = space_width or width
        self.sizes = {
            "sections": sections, "nodes": nodes, "condition": condition, "channels": channels, "width": width,
            "heads": heads, "time_layers": time_layers, "space_layers": space_layers, "space_width": space_width,
            "losses": losses, "local": local,
        }  # fmt: skip
        self.embed = nn.Linear(nodes, width)
        self.told = nn.Sequential(nn.Linear(condition, width), nn.GELU(), nn.Linear(width, width))
        self.channel = nn.Parameter(0.02 * torch.randn(channels, width))
        self.place = nn.Parameter(0.02 * torch.randn(sections, width))
        self.time = _encoder(width, heads, time_layers)
        self.join = nn.Linear(2 * width, space_width)
        self.space = _encoder(space_width, heads, space_layers)
        self.explicit = nn.Linear(space_width, nodes)
        nn.init.zeros_(self.explicit.weight)
        nn.init.zeros_(self.explicit.bias)
        self.of_h, self.of_f = (Kernel(nodes, space_width, heads) for _ in range(2))
        self.local = Local(channels, space_width, local) if local else None
        self.losses = Losses() if losses else None
        self.register_buffer("mean", torch.zeros(condition))
        self.register_buffer("spread", torch.ones(condition))

    @property
    def token_width(self) -> int:
        """How many numbers a token of `looked` has."""
        return self.explicit.in_features

    def forward(
        self, forcing: Float[Tensor, "b channel x y z"], condition: Float[Tensor, "b c"]
    ) -> Float[Tensor, "b x y z"]:
        return self.looked(forcing, condition)[0]

    def looked(
        self, forcing: Float[Tensor, "b channel x y z"], condition: Float[Tensor, "b c"]
    ) -> tuple[Float[Tensor, "b x y z"], Float[Tensor, "b x width"]]:
        """The field, and the tokens J that its kernels came from."""
        newest, h, tokens = self._explicit(forcing, condition)
        return (h + self.of_h(tokens, h) + self.of_f(tokens, newest)).view(forcing[:, 0].shape), tokens

    def rows(
        self, forcing: Float[Tensor, "b channel x y z"], condition: Float[Tensor, "b c"], node: tuple[int, int, int]
    ) -> tuple[Float[Tensor, "b x y z"], Float[Tensor, "b x y z"], Float[Tensor, "b x y z"]]:
        """H, and the rows of K_h and K_f at a node: X(node) = H(node) + sum K_h H + sum K_f F, F the first forcing."""
        _, h, tokens = self._explicit(forcing, condition)
        section, place = node[0], node[1] * forcing.shape[-1] + node[2]
        shape = forcing[:, 0].shape
        read = (kernel.row(tokens, section, place).view(shape) for kernel in (self.of_h, self.of_f))
        return h.view(shape), *read

    def _explicit(self, forcing: Tensor, condition: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """F and H by cross-sections (b, x, node), and the tokens J (b, x, width) that kernels come from."""
        b, channels, x, y, z = forcing.shape
        sections = forcing.reshape(b, channels, x, y * z)
        told = self.told((condition - self.mean) / self.spread)
        tokens = self.embed(sections) + self.channel[:, None] + self.place + told[:, None, None]
        over_time = self.time(tokens.transpose(1, 2).reshape(b * x, channels, -1)).reshape(b, x, channels, -1)
        joined = self.join(torch.cat([over_time[:, :, 0], over_time[:, :, 1:].mean(2)], dim=-1))
        tokens = self.space(joined)
        newest = sections[:, 0]
        h = newest + self.explicit(tokens)
        if self.local is not None:
            h = h + self.local(sections, tokens)
        return newest, h, tokens


class Local(nn.Module):
    """A correction of each node by what would have heated it, seen in the light of its cross-section's token: latent
    heat and a changing c act node by node, whatever the shape of the pool is. Begins as nothing."""

    def __init__(self, channels: int, token: int, width: int) -> None:
        super().__init__()
        self.enter, self.told = nn.Linear(channels, width, bias=False), nn.Linear(token, 2 * width)
        self.mix, self.out = nn.Linear(width, width), nn.Linear(width, 1, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(
        self, sections: Float[Tensor, "b channel x node"], tokens: Float[Tensor, "b x width"]
    ) -> Float[Tensor, "b x node"]:
        by, shift = self.told(tokens)[:, :, None].chunk(2, -1)
        if sections.device.type != "cpu" or torch.compiler.is_exporting():
            return self._of(sections, by, shift)
        parts = zip(*(each.split(TOGETHER) for each in (sections, by, shift)), strict=True)
        return torch.cat([self._of(*part) for part in parts])

    def _of(self, sections: Tensor, by: Tensor, shift: Tensor) -> Tensor:
        seen = torch.addcmul(shift, self.enter(sections.movedim(1, -1).contiguous()), 1 + by)
        silu = nn.functional.silu  # smooth, for the sake of what is read from gradients
        return self.out(silu(self.mix(silu(seen))))[..., 0]


class Kernel(nn.Module):
    """int K(z, z') u(z') dz' with K = out(yz) gate(x) softmax(query(x) key(x')) value(y'z'), summed over heads and what
    each holds: linear in u once the tokens are known. Begins as nothing."""

    def __init__(self, nodes: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.gate = (nn.Linear(width, width) for _ in range(3))
        self.value, self.out = nn.Linear(nodes, width, bias=False), nn.Linear(width, nodes, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, tokens: Float[Tensor, "b x width"], u: Float[Tensor, "b x node"]) -> Float[Tensor, "b x node"]:
        query, key, value = (self._split(t) for t in (self.query(tokens), self.key(tokens), self.value(u)))
        seen = nn.functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        return self.out((1 + self.gate(tokens)) * seen)

    def row(self, tokens: Float[Tensor, "b x width"], section: int, node: int) -> Float[Tensor, "b x node"]:
        """K from everywhere to one node."""
        query, key = self._split(self.query(tokens[:, section : section + 1])), self._split(self.key(tokens))
        looks = torch.softmax(query @ key.transpose(-1, -2) / key.shape[-1] ** 0.5, -1)[:, :, 0]  # (b, head, x)
        held = (1 + self.gate(tokens[:, section])) * self.out.weight[node]
        looks = looks.repeat_interleave(held.shape[-1] // self.heads, 1)  # (b, width, x)
        return torch.einsum("bw,bwx,wn->bxn", held, looks, self.value.weight)

    def _split(self, t: Tensor) -> Tensor:
        return t.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def _encoder(width: int, heads: int, layers: int) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(
        width, heads, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
