"""ASNO: attention over time for the explicit step, nonlocal attention over space for the implicit correction.

    H_{m+1} = explicit(X_m, X_{m-1}, ..., F),     X_{m+1} = H + int K_h H + int K_f F

Karkaria et al., arXiv 2506.11328 (Eq. 2-12), with attention over the lags of each sample (the released code attends
across the batch) and with the H terms that the printed Eq. 12 lacks. `explicit` and `correction` are built apart and
joined here; either may be left out, which gives the two rows of the tables that show what each part is worth.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Asno(nn.Module):
    """(lags, forcing at the lags and as planned, static) -> the states at the planned times, all at once.

    Without `explicit` the newest lag stands for H; without `correction` X is H.
    """

    def __init__(self, explicit: nn.Module | None, correction: nn.Module | None) -> None:
        super().__init__()
        if explicit is None and correction is None:
            raise ValueError("an ASNO wants an explicit step or a correction")
        self.explicit, self.correction = explicit, correction

    def forward(
        self, lags: Float[Tensor, "b n point c"], forcing: Float[Tensor, "b m point f"],
        static: Float[Tensor, "b point s"],
    ) -> Float[Tensor, "b step point c"]:  # fmt: skip
        """m = n + steps: the forcing at the lags, oldest first, then at the planned times."""
        n = lags.shape[1]
        steps = forcing.shape[1] - n
        h = lags[:, -1:].expand(-1, steps, -1, -1) if self.explicit is None else self.explicit(lags, forcing, static)
        if self.correction is None:
            return h
        still = static[:, None].expand(-1, steps, -1, -1)
        out = self.correction(h.flatten(0, 1), forcing[:, n:].flatten(0, 1), still.flatten(0, 1))
        return out.view(h.shape)

    def kernels(
        self, lags: Float[Tensor, "b n point c"], forcing: Float[Tensor, "b m point f"],
        static: Float[Tensor, "b point s"], rows: Int[Tensor, " q"] | None = None,
    ) -> tuple[Tensor, Tensor, Tensor | None]:  # fmt: skip
        """H of the first planned time, and K_h and K_f there (`correction.kernels`), for the points `rows` or all;
        ValueError where it has no correction."""
        if self.correction is None:
            raise ValueError("an ASNO without a correction has no kernels")
        h = lags[:, -1] if self.explicit is None else self.explicit(lags, forcing, static)[:, 0]
        return h, *self.correction.kernels(h, forcing[:, lags.shape[1]], static, rows)

    def weights_of_lags(
        self, lags: Float[Tensor, "b n point c"], forcing: Float[Tensor, "b m point f"],
        static: Float[Tensor, "b point s"],
    ) -> Float[Tensor, "b n"]:  # fmt: skip
        """How much a change of each lag, everywhere and alike, changes the first forecast: those of BDF-k where the
        explicit step has learned it. Oldest first."""
        scale = torch.zeros(len(lags), lags.shape[1], requires_grad=True, device=lags.device)
        with torch.enable_grad():
            ahead = self(lags + scale[:, :, None, None], forcing, static)[:, 0].mean((1, 2))
            (told,) = torch.autograd.grad(ahead.sum(), scale)
        return told
