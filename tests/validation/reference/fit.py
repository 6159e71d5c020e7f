"""Fit: find the constants of the rule again, from the rows that may set them: `python -m
tests.validation.reference.fit`.

Floor, gain and trapping by least squares of relative errors of width and depth (a length is set by more than the
source: it is left as a check), AMMT-B, CBM-B and Chen's eight pairs with equal weight, Nelder and Mead from a rough
start; some ten minutes on 2 CPU cores."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize

from operators.reference import track
from operators.reference.rule import RULE, Rule
from tests.validation.reference.cases import Case, chen, nist
from twin.material import material
from twin.process import Process


def sizes_m(case: Case, rule: Rule) -> np.ndarray:
    """(length, width, depth) of the reference under another rule."""
    alloy = material(case.material)
    process = Process(alloy, case.beam_diameter_m, case.preheat_k)
    strength, peclet = process.strength(case.beam_power_w), process.peclet(case.scan_speed_m_per_s)
    groups = process.groups()
    absorptivity, depth = rule.source(strength, peclet, groups.boiling, alloy.minimum_absorptivity)
    found = track.steady(groups, process.surface(), absorptivity * strength, peclet, depth)
    return np.array([found.length, found.width, found.depth]) * process.length_m


def wrong(case: Case, rule: Rule) -> np.ndarray:
    """Relative errors of width and depth."""
    return sizes_m(case, rule)[1:] / np.array([case.width_m, case.depth_m]) - 1


def main() -> None:
    cases = [case for case in nist() + chen() if case.fitted]
    weights = {"IN625": 0.5, "IN718": 1 / sum(case.material == "IN718" for case in cases)}
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:

        def miss(constants: np.ndarray) -> float:
            floor, gain, trapping = constants
            rule = replace(RULE, floor=floor, gain=gain, trapping=trapping)
            errors = list(pool.map(wrong, cases, [rule] * len(cases), chunksize=2))
            total = sum(weights[c.material] * float((e**2).mean()) for c, e in zip(cases, errors, strict=True))
            print(f"floor {floor:.4f} gain {gain:.4f} trapping {trapping:.4f}: {1e3 * total:.4f}e-3", flush=True)
            return total

        start = np.array([0.2, 3.0, 1.5])
        simplex = np.vstack([start, start + np.diag([0.05, 0.4, 0.4])])
        minimize(
            miss, start, method="Nelder-Mead",
            options={"initial_simplex": simplex, "xatol": 5e-3, "fatol": 1e-5, "maxfev": 60},
        )  # fmt: skip


if __name__ == "__main__":
    main()
