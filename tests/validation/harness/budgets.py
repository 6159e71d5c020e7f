"""Budgets: what every learned row of a table may spend. The same seconds, parameters and tuning trials for all."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """seconds: of training a row, tuning included; parameters: aimed at; rates: learning rates that are tried, and
    noises: on the lags of a march, in spreads of the state, least first, tried at the best rate. Each trial takes
    TRIAL_SHARE of the seconds; the best one then trains for the rest."""

    name: str
    seconds: float
    parameters: int
    rates: tuple[float, ...] = (1e-3, 4e-3, 1.6e-2)
    noises: tuple[float, ...] = (1e-3, 3e-2, 1e-1)
    seeds: int = 3
    looks: int = 12  # at validation, in a training


BUDGETS = {
    b.name: b
    for b in (
        Budget("smoke", 2, 60_000, (2e-3,), (1e-3,), 1, 2),
        Budget("small", 60, 300_000),
        Budget("medium", 1_500, 600_000),
        Budget("full", 120, 1_500_000),
    )
}
TRIAL_SHARE = 0.08
