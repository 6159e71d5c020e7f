"""Suite: run a problem's rows, each contender and seed once, and keep what came out."""

import argparse
import importlib
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch

from operators.learner import MapLearner, MarchLearner, Scaled
from operators.nets.consistency import consistency
from operators.options import add_device, at_least
from operators.problem import March, Problem
from operators.train import Manner, Run
from tests.validation.harness import contenders, kept, linear, page, score, stress, table
from tests.validation.harness.budgets import BUDGETS, TRIAL_SHARE, Budget
from tests.validation.harness.rows import Results, ResultsFileError, Row, made

ROOT = Path(__file__).parents[1]
MARCHES = (
    "heat", "lorenz", "darcy_march", "navier_stokes_30", "navier_stokes_64", "gray_scott", "cubic", "burgers",
    "shallow_water", "cubic_2d", "advection", "inviscid_burgers",
)  # fmt: skip
MAPS = ("darcy_steady", "points", "transport")
GROUPS = {
    "asno": ("heat", "lorenz", "darcy_march", "navier_stokes_30", "gray_scott"),
    "lrsa": ("darcy_steady", "points", "navier_stokes_64", "transport"),
    "hfluxno": ("cubic", "burgers", "shallow_water", "cubic_2d"),
    "flux": ("advection", "inviscid_burgers"),
}
SMOKE = ("persistence", "linear", "mean", "asno", "lrsa", "flux-no", "hfluxno", "fitted-flux-no")
SMOKE_BUDGET = "smoke"  # which tells that a suite runs, and asks nothing more of its rows
PLAIN = "plain"  # what --operators may say for every trivial and classical row
MOST_STEPS = 1_000_000
EVERY_STEP = MOST_STEPS  # of a rollout, from a context that is read once


def case_of(suite: str) -> ModuleType:
    return importlib.import_module(f"tests.validation.{suite}.case")


@lru_cache(maxsize=1)
def problem_of(suite: str, budget: str, device: str) -> Problem:
    """The data of a suite: made once on this machine, and read once in a process."""
    problem = kept.problem(suite, budget, lambda: case_of(suite).problem(budget))
    if device == "cpu":
        return problem
    moved = {name: part.to(device) for name, part in problem.tests.items()}
    return replace(
        problem, geometry=problem.geometry.to(device), fit=problem.fit.to(device),
        validation=problem.validation.to(device), tests=moved,
    )  # fmt: skip


def given_rows(suite: str, problem: Problem) -> dict[str, tuple[str, Callable[..., Any]]]:
    """What needs no training: {operator: (kind, how it is made)}."""
    rows: dict[str, tuple[str, Callable[..., Any]]] = {}
    if isinstance(problem, March):
        rows["persistence"] = "trivial", lambda: contenders.persistence
        rows["linear"] = "trivial", lambda: linear.march(problem)
    else:
        rows["mean"] = "trivial", lambda: linear.mean(problem)
        rows["linear"] = "trivial", lambda: linear.mapped(problem)
    for name, call in case_of(suite).classical(problem).items():
        rows[name] = "classical", lambda call=call: _stepping(call) if isinstance(problem, March) else call
    return rows


def _stepping(call: Callable[..., Any]) -> Callable[..., Any]:
    """A case's solver gives the next state; a stepper has an axis of steps."""
    return lambda lags, forcing, static: call(lags, forcing, static)[:, None]


def names(suite: str, budget: str) -> list[str]:
    """Every contender of a suite."""
    problem = problem_of(suite, budget, "cpu")
    told = hasattr(case_of(suite), "flux")
    asked = [name for name, each in contenders.learned(problem).items() if told or not each.told_flux]
    return [*given_rows(suite, problem), *asked]


def row(suite: str, operator: str, seed: int, budget: Budget, device: str, say: Callable[[str], None]) -> Row:
    """One row: trained where it learns, scored on every test split."""
    problem = problem_of(suite, budget.name, device)
    known = given_rows(suite, problem)
    if operator in known:
        kind, make = known[operator]
        began = time.perf_counter()
        model = make()
        done = Row(suite, operator, kind, 0, budget.name, seconds=time.perf_counter() - began, made=made(device))
        return _scored(done, model, problem, suite)
    contender = contenders.learned(problem)[operator]
    blank = Row(suite, operator, "learned", seed, budget.name, made=made(device))
    try:
        torch.manual_seed(seed)
        contender.matched(problem, budget.parameters)
    except (ValueError, ImportError) as refusal:
        return replace(blank, refused=str(refusal))
    tried = _tuned(contender, problem, seed, budget)
    spent = sum(run.spent for run in tried.values())
    best = min(tried, key=lambda how: tried[how].best) if tried else Tuning(budget.rates[0], budget.noises[0])
    run = _trained(contender, problem, seed, budget, best, 1 - TRIAL_SHARE * len(tried), say)
    model = run.learner.model
    contender.finish(model)
    done = replace(
        blank, parameters=sum(p.numel() for p in model.parameters()), seconds=spent + run.spent, steps=run.steps,
        rate=best.rate, noise=best.noise if isinstance(problem, March) else 0.0, curve=run.curve,
    )  # fmt: skip
    steps = EVERY_STEP if contender.once else 1
    done = _scored(done, model, problem, suite, steps)
    if isinstance(problem, March) and problem.in_context and budget.name != SMOKE_BUDGET:
        for split, found in _on_finer_cells(contender, run, problem, budget, steps).items():
            done.errors[split].update(found)
        done = replace(done, code_r2=_told_by_code(model, problem, budget))
    return done


def batch_of(problem: Problem) -> int:
    """Samples a step, the same for everybody: fewer where a sample has many points, more where a step costs what its
    optimiser does."""
    points = len(problem.geometry.points)
    return max(4, min(64 if points < contenders.FEW_POINTS else 16, 16_384 // points))


class Tuning(NamedTuple):
    """What is tried before a training: the learning rate, and the noise on the lags of a march."""

    rate: float
    noise: float


def _tuned(contender: contenders.Learned, problem: Problem, seed: int, budget: Budget) -> dict[Tuning, Run]:
    """Short trainings: every rate, then every other noise at the best of them. None where there is no choice."""
    tried: dict[Tuning, Run] = {}
    if len(budget.rates) == 1:
        return tried
    for how in [Tuning(rate, budget.noises[0]) for rate in budget.rates]:
        with suppress(ArithmeticError):  # it diverged
            tried[how] = _trained(contender, problem, seed, budget, how, TRIAL_SHARE, lambda line: None)
    if not tried:
        raise ArithmeticError("it diverged at every learning rate")
    rate = min(tried, key=lambda how: tried[how].best).rate
    for how in [Tuning(rate, noise) for noise in budget.noises[1:] if isinstance(problem, March)]:
        with suppress(ArithmeticError):
            tried[how] = _trained(contender, problem, seed, budget, how, TRIAL_SHARE, lambda line: None)
    return tried


def _trained(
    contender: contenders.Learned, problem: Problem, seed: int, budget: Budget, how: Tuning, share: float,
    say: Callable[[str], None],
) -> Run:  # fmt: skip
    torch.manual_seed(seed)
    module = contender.matched(problem, budget.parameters)
    torch.manual_seed(seed)
    learner: Any
    if isinstance(problem, March):
        also = consistency(problem, case_of(problem.name).flux) if contender.told_flux else None
        learner = MarchLearner(
            module, problem, batch_of(problem), contender.unroll, how.noise, once=contender.once, also=also
        )
    else:
        learner = MapLearner(module, problem, batch_of(problem))
    looks = max(1, budget.looks // 2) if share == TRIAL_SHARE else budget.looks
    run = Run(learner, Manner(MOST_STEPS, how.rate, looks=looks, seconds=share * budget.seconds), seed, say=say)
    run.go()
    return run


def _on_finer_cells(
    contender: contenders.Learned, run: Run, problem: March, budget: Budget, steps: int
) -> dict[str, dict[str, float]]:
    """By test split, what the trained weights do on the suite's finer grid; nothing where they do not fit there."""
    case = case_of(problem.name)
    if not hasattr(case, "finer"):
        return {}
    fine = _finer(problem.name, budget.name)
    device = problem.fit.state.device
    fine = replace(
        fine, geometry=fine.geometry.to(device), fit=fine.fit.to(device),
        tests={k: v.to(device) for k, v in fine.tests.items()},
    )  # fmt: skip
    try:
        model = Scaled(contender.matched(fine, budget.parameters), problem.fit).to(device)
        model.load_state_dict(run.learner.model.state_dict())
        if hasattr(model.stepper, "floor"):  # in the units that it was trained in
            model.stepper.floor.copy_(run.learner.model.stepper.floor)
        contender.finish(model)
    except (ValueError, RuntimeError):
        return {}
    model.eval()
    return {name: stress.finer(model, fine, part, steps) for name, part in fine.tests.items()}


def _told_by_code(model: torch.nn.Module, problem: March, budget: Budget) -> float | None:
    """`stress.code_tells`, of those that have a code, where the suite knows its coefficients."""
    case, code = case_of(problem.name), getattr(model.stepper, "code", None)
    if code is None or not hasattr(case, "coefficients"):
        return None
    split = next(iter(problem.tests))
    with torch.no_grad():
        codes, asked = (
            torch.cat([code(model.state.down(lags)) for lags in part.state[:, : problem.lags].split(64)])
            for part in (problem.fit, problem.tests[split])
        )
    told, wanted = (case.coefficients(budget.name, name).to(codes) for name in ("fit", split))
    return stress.code_tells(codes, told, asked, wanted)


@lru_cache(maxsize=1)
def _finer(suite: str, budget: str) -> March:
    return case_of(suite).finer(budget)


def _scored(done: Row, model: Callable[..., Any], problem: Problem, suite: str, steps: int = 1) -> Row:
    """`steps`: how many it takes at once in a rollout."""
    errors, case = {}, case_of(suite)
    for name, part in problem.tests.items():
        if isinstance(problem, March):
            errors[name] = score.march(model, problem, part, steps)
            if hasattr(case, "extra"):
                errors[name] |= case.extra(model, problem, part, steps)
            if problem.in_context and done.budget != SMOKE_BUDGET:
                errors[name] |= stress.march(model, problem, part, steps)
        else:
            errors[name] = score.one_map(model, problem, part)
    part, growth, profile = next(iter(problem.tests.values())), [], {}
    if isinstance(problem, March):
        n, growth = problem.lags, score.growth(model, problem, part, steps)
        if _drawn(problem):
            profile = {name: score.profile(model, problem, each, steps) for name, each in problem.tests.items()}
        one = part.state[:1, :n], part.forcing[:1, : n + 1], part.static[:1]
        once: Callable[[], Any] = lambda: model(*one)  # noqa: E731
    else:
        where = None if part.where is None else part.where[:1]
        once = lambda: model(part.given[:1], where)  # noqa: E731
    taken = {"gflop": score.gflop(once), "memory_mb": score.memory_mb(once)} if done.kind == "learned" else {}
    return replace(
        done, errors=errors, growth=growth, profile=profile, latency_ms=score.latency_ms(once), **taken
    )  # fmt: skip


def _drawn(problem: Problem) -> bool:
    """Whether its states are drawn as lines: those of a law along one axis, where shocks are to be seen."""
    return isinstance(problem, March) and problem.conserved and problem.geometry.points.shape[1] == 1


def _true_profiles(problem: March) -> dict[str, dict[str, list[float]]]:
    """By test split: the newest lag of its first trajectory, and the state at the end of the horizon."""
    n = problem.lags
    times = {"start": n - 1, "truth": n + problem.horizon - 1}
    return {
        name: {k: part.state[0, t, :, 0].tolist() for k, t in times.items()} for name, part in problem.tests.items()
    }


class FailedRowsError(Exception):
    """Some rows broke off; the others are kept. By (operator, seed), the reason."""

    def __init__(self, reasons: dict[tuple[str, int], str]) -> None:
        super().__init__("; ".join(f"{name} seed {seed}: {why}" for (name, seed), why in reasons.items()))
        self.reasons = reasons


def _worker(suite: str, operator: str, seed: int, budget: str, device: str) -> Row:
    torch.set_num_threads(1)
    return row(suite, operator, seed, BUDGETS[budget], device, lambda line: None)


def run(
    suite: str, budget: Budget, operators: Iterable[str] | None = None, seeds: int | None = None, jobs: int = 1,
    device: str = "cpu", again: bool = False, results: Path | None = None,
) -> Results:  # fmt: skip
    """Fill a suite's results file with the rows that it lacks; FailedRowsError, after the others, where some broke."""
    results_file = Results(results or ROOT / suite / "results.json")
    problem = problem_of(suite, budget.name, "cpu")
    known = given_rows(suite, problem)
    asked = list(operators) if operators is not None else names(suite, budget.name)
    wanted = [(o, s) for s in range(seeds or budget.seeds) for o in asked if s == 0 or o not in known]
    wanted = [(o, s) for o, s in wanted if again or (suite, o, s, budget.name) not in results_file.rows]
    results_file.about[budget.name] = {**problem.about, "convergence": case_of(suite).convergence()}
    if isinstance(problem, March) and _drawn(problem):
        results_file.about[budget.name]["profiles"] = _true_profiles(problem)
    began = time.monotonic()

    def keep(made_row: Row, count: int) -> None:
        results_file.add(made_row)
        told = made_row.refused or ", ".join(
            f"{split} " + " ".join(f"{k} {v:.4g}" for k, v in each.items()) for split, each in made_row.errors.items()
        )
        print(
            f"{suite} {count} of {len(wanted)}, {time.monotonic() - began:.0f} s: {made_row.operator} seed "
            f"{made_row.seed}: {told}",
            file=sys.stderr, flush=True,
        )  # fmt: skip

    broken: dict[tuple[str, int], str] = {}

    def attempt(asked_for: tuple[str, int], make: Callable[[], Row], count: int) -> None:
        try:
            keep(make(), count)
        except Exception as failure:  # noqa: BLE001  an hour of other rows is not lost with it
            broken[asked_for] = f"{type(failure).__name__}: {failure}"
            print(f"{suite} {count} of {len(wanted)}: {asked_for} broke: {broken[asked_for]}", file=sys.stderr)

    if jobs == 1:
        if device == "cpu":
            torch.set_num_threads(1)  # budgets are of one core; two that wait for each other spend it on nothing
        for count, each in enumerate(wanted, 1):
            attempt(each, lambda each=each: row(suite, *each, budget, device, _told), count)
    else:
        with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
            futures = {pool.submit(_worker, suite, *each, budget.name, device): each for each in wanted}
            for count, future in enumerate(as_completed(futures), 1):
                attempt(futures[future], future.result, count)
    if broken:
        raise FailedRowsError(broken)
    return results_file


def _told(line: str) -> None:
    print(f"  {line}", file=sys.stderr)


def main(argv: list[str], suites: Iterable[str]) -> int:
    """The command line of every suite but the reference's."""
    parser = argparse.ArgumentParser(prog="tests.validation", description="Operators on one problem, as a table.")
    parser.add_argument("--budget", choices=list(BUDGETS), default="small")
    parser.add_argument(
        "--operators", help=f"some, with commas; {PLAIN}: what needs no training; left out: all (smoke: a few)"
    )
    parser.add_argument("--seeds", type=at_least(1), help="how many; left out: the budget's")
    parser.add_argument("--jobs", type=at_least(1), default=1, help="rows side by side, one thread each")
    add_device(parser)
    parser.add_argument("--again", action="store_true", help="make rows that are there already once more")
    parser.add_argument("--out", type=Path, help="folder of the results files; left out: beside each suite")
    parser.add_argument("--docs", action="store_true", help="run nothing: write docs/operators.md from the results")
    told = parser.parse_args(argv)
    if told.docs:
        print("\n".join(f"wrote {path}" for path in page.write(list(suites))))
        page.fill("standings", page.standings(GROUPS))
        return 0
    code = 0
    for suite in suites:
        budget = BUDGETS[told.budget]
        asked = [name.strip() for name in told.operators.split(",")] if told.operators else None
        there = names(suite, budget.name)
        if asked is None and told.budget == "smoke":
            asked = [name for name in there if name in SMOKE]
        if asked is not None and PLAIN in asked:
            asked = [*given_rows(suite, problem_of(suite, budget.name, "cpu")), *(a for a in asked if a != PLAIN)]
        asked = None if asked is None else list(dict.fromkeys(asked))
        unknown = [name for name in asked or [] if name not in there]
        if unknown:
            print(f"no contender {', '.join(unknown)} in {suite}: there are {', '.join(there)}", file=sys.stderr)
            return 2
        if told.out is not None:
            try:
                told.out.mkdir(parents=True, exist_ok=True)
            except OSError as refusal:
                parser.error(f"--out {told.out}: {refusal.strerror}")
        out = told.out / f"{suite}.json" if told.out is not None else None
        try:
            found = run(suite, budget, asked, told.seeds, told.jobs, told.device, told.again, out)
        except ResultsFileError as refusal:
            print(f"{suite}: {refusal}", file=sys.stderr)
            return 2
        except FailedRowsError as broken:
            print(f"{suite}: {broken}", file=sys.stderr)
            code, found = 1, Results(out or ROOT / suite / "results.json")
        print(table.text(found, budget.name))
    return code
