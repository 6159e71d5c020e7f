"""`meltwin validate`: the physics against measurement."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parents[2]


def validate(
    name: Annotated[str, typer.Argument(help="what to validate: reference")],
    out: Annotated[Path | None, typer.Option(help="where the results go, JSON; left out: beside the tests")] = None,
    tables: Annotated[
        str | None, typer.Option(help="some of nist,chen,simonds,literature,modes; left out: all")
    ] = None,
    docs: Annotated[
        bool, typer.Option("--docs", help="solve nothing: write the page's tables and plots from the results")
    ] = False,
) -> None:
    """Hold the reference solver against what was measured, regime by regime, and keep every figure as JSON.

    NIST's tracks are typed in and always run; the other tables want the public data beside the project, and are named
    where they are skipped. Some ten minutes on 2 CPU cores. The same as `python3 -m tests.validation NAME`, which
    needs torch, numpy and numba alone.

    Example: `./meltwin validate reference --tables nist --out nist.json`
    """
    command = [sys.executable, "-m", "tests.validation", name]
    if out is not None:
        command += ["--out", str(out.resolve())]
    if tables is not None:
        command += ["--tables", tables]
    if docs:
        command += ["--docs"]
    raise typer.Exit(subprocess.run(command, cwd=ROOT, check=False).returncode)
