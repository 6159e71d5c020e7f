"""`meltwin validate`: the physics against measurement, and operators against each other and against plain answers."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    "reference, melt-pool, melt_pool_camera, trust, attribution; groups asno, lrsa, flux, hfluxno; suites heat, "
    "lorenz, darcy_march, navier_stokes_30, navier_stokes_64, gray_scott, cubic, burgers, shallow_water, cubic_2d, "
    "advection, inviscid_burgers, radial, darcy_steady, points, transport"
)


def validate(
    name: Annotated[str, typer.Argument(help=f"what to validate: {NAMES}")],
    budget: Annotated[
        str | None, typer.Option(help="smoke (20 s a suite), small, medium or full (a GPU); not for reference")
    ] = None,
    operators: Annotated[str | None, typer.Option(help="some contenders, with commas; left out: all")] = None,
    seeds: Annotated[int | None, typer.Option(help="of each learned row; left out: the budget's")] = None,
    jobs: Annotated[int | None, typer.Option(help="rows side by side, one thread each")] = None,
    again: Annotated[bool, typer.Option("--again", help="make rows once more that are there already")] = False,
    out: Annotated[Path | None, typer.Option(help="where the results go; left out: beside the tests")] = None,
    fields: Annotated[
        Path | None, typer.Option(help="of melt-pool, melt_pool_camera, trust: where the reference's fields are kept")
    ] = None,
    tables: Annotated[
        str | None, typer.Option(help="of reference: some of nist,chen,simonds,literature,modes; left out: all")
    ] = None,
    docs: Annotated[
        bool, typer.Option("--docs", help="solve nothing: write the page's tables and plots from the results")
    ] = False,
) -> None:
    """Hold a model against what is known to be right, and keep every figure as JSON.

    `reference` holds the reference solver against what was measured, regime by regime: NIST's tracks are typed in and
    always run; the other tables want the public data beside the project, and are named where they are skipped. Some ten
    minutes on 2 CPU cores.

    A suite lets every operator meet the same data, the same budget, and the trivial and classical rows. A row in
    the results file is not made again, so tables fill over several runs. The same as `python3 -m tests.validation
    NAME`, which needs torch, numpy and numba alone.

    Example: `./meltwin validate reference --tables nist --out nist.json`

    Example: `./meltwin validate lorenz --budget small --operators persistence,linear,asno`
    """
    command = [sys.executable, "-m", "tests.validation", name]
    given = {"budget": budget, "operators": operators, "seeds": seeds, "jobs": jobs, "tables": tables}
    for option, value in given.items():
        if value is not None:
            command += [f"--{option}", str(value)]
    for option, folder in (("out", out), ("fields", fields)):
        if folder is not None:
            command += [f"--{option}", str(folder.resolve())]
    command += [f"--{flag}" for flag, on in (("again", again), ("docs", docs)) if on]
    raise typer.Exit(subprocess.run(command, cwd=ROOT, check=False).returncode)


def bench(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="what to measure: forecast (operator against reference), reference, attention, ingest, store, codecs, "
            "page (in a browser), alarms (of a good build)"
        ),
    ],
) -> None:
    """How fast it is here: what a forecast costs beside the reference, the reference beside a memory copy, or ingest
    to committed rows beside a bare subscriber.

    Other options go to the benchmark: `./meltwin bench forecast --help`. Quote ratios of one run on an idle machine,
    not times. The same as `python3 -m tests.bench NAME`.
    """
    command = [sys.executable, "-m", "tests.bench", name, *context.args]
    raise typer.Exit(subprocess.run(command, cwd=ROOT, check=False).returncode)
