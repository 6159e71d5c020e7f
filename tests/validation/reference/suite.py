"""Suite: run every table that the data here allow, and keep what came out as one JSON file."""

import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from operators.reference.beam import NARROWING
from operators.reference.rule import RULE
from tests.validation.reference import literature, tables
from tests.validation.reference.cases import CHEN_FITTED_W, DATA, nist
from tests.validation.reference.solve import Solver

RESULTS = Path(__file__).parent / "results.json"
ROW_DEPTH = 4  # of the file: deeper things stand on one line

TABLES: dict[str, tuple[str | None, Callable[[Solver], dict[str, Any]]]] = {
    # name: (folder of the data that it wants, how it is made)
    "nist": (None, tables.nist_table),
    "chen": ("in718_preheat", tables.chen_table),
    "simonds": ("nist_amb2018_02", lambda _: tables.simonds_table()),
    "literature": ("meltpoolnet", literature.literature_table),
    "modes": ("meltpoolnet", literature.modes_table),
}


def run(names: Sequence[str] = tuple(TABLES), processes: int = 2, quiet: bool = False) -> dict[str, Any]:
    """The results of these tables, ready to be written."""
    start_s = time.monotonic()
    made, skipped, seconds = {}, {}, {}
    with Solver(processes, quiet) as solver:
        for name in names:
            folder, table = TABLES[name]
            if folder and not (DATA / folder).is_dir():
                skipped[name] = f"no public data at {DATA.name}/{folder} beside the project"
                continue
            began_s = time.monotonic()
            made[name] = table(solver)
            seconds[name] = round(time.monotonic() - began_s, 1)
    results = {
        "made": {
            "date": date.today().isoformat(),
            "seconds": round(time.monotonic() - start_s, 1),
            "seconds_by_table": seconds,
            "processes": processes,
            "cpu_count": os.cpu_count(),
            "machine": platform.machine(),
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "numba", "torch")},
        },
        "rule": asdict(RULE) | {"narrowing": NARROWING},
        "fitted": {"nist": [c.name for c in nist() if c.fitted], "chen_beam_power_w": list(CHEN_FITTED_W)},
        "skipped": skipped,
        "tables": made,
        "falls_short": falls_short(made),
    }
    return clean(results)


def falls_short(made: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every bar that does not hold, but on rows that set the rule."""
    told = []
    for name, table in made.items():
        for row in table["rows"]:
            if row.get("met") is False and not row["fitted"]:
                told.append(
                    {
                        "table": name,
                        "name": f"{row['name']} {row['quantity']}",
                        "value": row["error"],
                        "bar": row["bar"],
                        "why": why(row["quantity"]),
                    }
                )
        told += [
            {"table": name, "name": bar["name"], "value": bar["value"], "bar": bar["bar"], "why": why(bar["name"])}
            for bar in table["bars"]
            if not bar["met"]
        ]
    return told


def why(what: str) -> str:
    """What is known of a bar that does not hold."""
    return next((reason for key, reason in tables.WHY.items() if key in what), tables.UNKNOWN)


def clean(value: Any) -> Any:
    """Six digits; what is not a number is null."""
    if isinstance(value, dict):
        return {str(key): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, int | str):
        return value
    number = float(value)
    return float(f"{number:.6g}") if math.isfinite(number) else None


def text(results: Mapping[str, Any]) -> str:
    """The file: JSON, one line a row."""
    return _dumped(results, 0) + "\n"


def _dumped(value: Any, depth: int) -> str:
    if depth >= ROW_DEPTH or not isinstance(value, dict | list) or not value:
        return json.dumps(value)
    pad = " " * (depth + 1)
    if isinstance(value, dict):
        inner = [f"{pad}{json.dumps(key)}: {_dumped(item, depth + 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(inner) + "\n" + " " * depth + "}"
    inner = [f"{pad}{json.dumps(item)}" for item in value]
    return "[\n" + ",\n".join(inner) + "\n" + " " * depth + "]"


def read(path: Path = RESULTS) -> dict[str, Any]:
    return json.loads(path.read_text())  # type: ignore[no-any-return]


def main(arguments: Sequence[str]) -> int:
    """`python -m tests.validation reference`."""
    from argparse import ArgumentParser

    from tests.validation.reference import page

    parser = ArgumentParser(prog="python -m tests.validation reference", description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go, JSON")
    parser.add_argument("--tables", default=",".join(TABLES), help=f"some of {', '.join(TABLES)}")
    parser.add_argument("--processes", type=int, default=2, help="worker processes")
    parser.add_argument(
        "--docs",
        action="store_true",
        help="solve nothing: write tables and plots of docs/reference.md from the results",
    )
    asked = parser.parse_args(arguments)
    if asked.docs:
        for path in page.write(read(asked.out)):
            print(f"wrote {path}")
        return 0
    names = [name for name in asked.tables.split(",") if name]
    if unknown := [name for name in names if name not in TABLES]:
        parser.error(f"no table {', '.join(unknown)}: choose some of {', '.join(TABLES)}")
    results = run(names, asked.processes)
    print(page.printed(results))
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(text(results))
    print(f"wrote {asked.out}", file=sys.stderr)
    return 0
