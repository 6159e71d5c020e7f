"""Suite: kernels found from contexts of pairs, by least squares and by attention."""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from operators.options import at_least
from tests.validation.harness import page, score, table
from tests.validation.harness.budgets import BUDGETS
from tests.validation.harness.rows import Results, Row, made
from tests.validation.radial import case
from tests.validation.radial.nao import train

RESULTS = Path(__file__).parent / "results.json"


def row(task: case.RadialTask, operator: str, seed: int, budget: str) -> Row:
    """One row: errors of the kernel off its diagonal, and of what it does to new functions."""
    known = case.classical(task)
    done = Row(case.NAME, operator, "trivial" if operator == "mean" else "classical", 0, budget, made=made())
    began = time.process_time()
    if operator in known:
        answer: Any = known[operator]
        done = replace(done, seconds=time.process_time() - began)
    else:
        run = train(task, BUDGETS[budget].seconds, seed)
        model = run.learner.model
        parameters = sum(p.numel() for p in model.parameters())
        done = replace(
            done, kind="learned", seed=seed, parameters=parameters, seconds=run.spent, steps=run.steps, curve=run.curve
        )
        answer = model.kernel
    errors = {}
    with torch.no_grad():
        for name, data in task.tests.items():
            kernel = answer(data.u, data.f)
            errors[name] = {
                "kernel": float(case.kernel_error(kernel, data.kernel).mean()),
                "error": float(case.field_error(kernel, data).mean()),
            }
    one = next(iter(task.tests.values()))
    return replace(done, errors=errors, latency_ms=score.latency_ms(lambda: answer(one.u[:1], one.f[:1])))


def main(argv: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests.validation radial", description="Kernels from contexts of pairs.")
    parser.add_argument("--budget", choices=list(BUDGETS), default="small")
    parser.add_argument("--operators", help="some, with commas; left out: all")
    parser.add_argument("--seeds", type=at_least(1), help="of what learns; left out: the budget's")
    parser.add_argument("--again", action="store_true", help="make rows that are there already once more")
    parser.add_argument("--out", type=Path, default=RESULTS, help="results file; left out: beside the suite")
    parser.add_argument("--docs", action="store_true", help="run nothing: write docs/operators.md from the results")
    told = parser.parse_args(argv)
    if told.docs:
        print("\n".join(f"wrote {path}" for path in page.write([case.NAME])))
        return 0
    task = case.problem(told.budget)
    known = [*case.classical(task), "nao"]
    asked = told.operators.split(",") if told.operators else known
    if unknown := [name for name in asked if name not in known]:
        print(f"no contender {', '.join(unknown)}: there are {', '.join(known)}", file=sys.stderr)
        return 2
    results = Results(told.out)
    results.about[told.budget] = {**task.about, "convergence": case.convergence()}
    for seed in range(told.seeds or BUDGETS[told.budget].seeds):
        for name in asked:
            if (name == "nao" or seed == 0) and (
                told.again or (case.NAME, name, seed, told.budget) not in results.rows
            ):
                results.add(row(task, name, seed, told.budget))
                print(
                    f"radial {name} seed {seed}: {results.rows[case.NAME, name, seed, told.budget].errors}",
                    file=sys.stderr,
                )
    print(table.text(results, told.budget))
    return 0
