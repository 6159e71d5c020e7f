"""`meltwin test`: everything that must hold before a change lands, in one command."""

import os
import subprocess
import sys
import time
from pathlib import Path

import typer

ROOT = Path(__file__).resolve().parents[2]
SPREAD = ["-n", "2", "--dist", "loadfile"]  # the whole takes half an hour in one process, most of it waiting
TALK = ("-q", "-v", "-rs")
NO_TESTS = 5  # pytest's exit code when nothing was selected: fine for the second call


def test(context: typer.Context) -> None:
    """Check everything: lint, format, types, import contracts, then the tests.

    Other options go to pytest: `./meltwin test -k store -x`. Tests of what `torch.compile` makes run in a second call,
    because the shape checker cannot be inside compiled code; so do those that promise a rate, because nothing may run
    beside them. Slow tests wait for `-m slow`. The whole runs in two
    processes, a file of tests in one of them; a part, or with `-n 0`, in one.
    What needs a system program (chromium, mosquitto) skips with a line that says how to get it; with CI=true in the
    environment it fails instead.

    `./meltwin test --long` is another thing: half an hour of faults (50 kills, 10 restarts of the broker and of the
    database, cut lines, a full disk, an hour of simulated process at speed), whose results it leaves in docs/results;
    `--long --quick` is a tenth of it. The tests run a small part of that every time.
    """
    rest = context.args
    if "--long" in rest:
        command = [sys.executable, "-P", "-m", "tests.chaos", *(each for each in rest if each != "--long")]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        raise typer.Exit(subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode)
    python = [sys.executable, "-P", "-m"]
    second = [] if "-m" in rest else ["-m", "(compile or alone) and not slow"]
    steps: list[tuple[str, list[str], dict[str, str]]] = [
        ("lint", [*python, "ruff", "check", "."], {}),
        ("format", [*python, "ruff", "format", "--check", "--quiet", "."], {}),
        ("types", [*python, "mypy"], {}),
        ("imports", [str(Path(sys.executable).with_name("lint-imports"))], {}),
        ("tests", [*python, "pytest", *([] if set(rest) - {*TALK} else SPREAD), *rest], {}),
        ("compiled", [*python, "pytest", *second, *rest], {"JAXTYPING_DISABLE": "1"}),
    ]
    if "-m" in rest:
        steps = [step for step in steps if step[0] != "compiled"]
    summary = []
    for name, command, environment in steps:
        print(
            f"\n=== {name}: {' '.join(['python' if part == sys.executable else part for part in command])}", flush=True
        )
        start_s = time.perf_counter()
        code = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=False).returncode
        passed = code == 0 or (name == "compiled" and code == NO_TESTS)
        summary.append((name, passed, time.perf_counter() - start_s))
    told = ", ".join(f"{name} {'ok' if passed else 'FAILED'} ({seconds:.0f} s)" for name, passed, seconds in summary)
    print(f"\nmeltwin test: {told}", flush=True)
    raise typer.Exit(0 if all(passed for _, passed, _ in summary) else 1)
