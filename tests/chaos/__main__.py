"""The whole: `python -m tests.chaos` (which is `./meltwin test --long`). Half an hour; `--quick` for a tenth of it.

Leaves docs/results/chaos.json and docs/results/chaos.md: what was done to the twin, whether every law held, and how
soon it went on.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

from tests.chaos.parts import ROOT, Iotcore, Mosquitto
from tests.chaos.scenario import Faults, Result, run
from tests.postgres import server

RESULTS = ROOT / "docs" / "results"
FULL = Faults(kills=50, broker_restarts=10, database_stops=10, cuts=10, down_s=2.0)
SQLITE = Faults(kills=10, cuts=3, full_disks=5, down_s=2.0)


def scaled(faults: Faults, share: float) -> Faults:
    """At least one of each kind."""
    every = {name: count for name, count in asdict(faults).items() if name != "down_s" and count}
    counts = {name: max(1, round(share * count)) for name, count in every.items()}
    return replace(faults, **counts)


def with_mosquitto(faults: Faults, seed: int, told: Callable[[str], None]) -> Result:
    """Mosquitto and PostgreSQL: what a shop floor runs."""
    with tempfile.TemporaryDirectory() as folder, server() as postgres:
        broker = Mosquitto(Path(folder))
        try:
            return run(
                broker, postgres.database(), faults, messages=_messages(faults), per_s=300, seed=seed, server=postgres,
                told=told,
            )  # fmt: skip
        finally:
            broker.stop()


def with_iotcore(faults: Faults, seed: int, told: Callable[[str], None]) -> Result:
    """The embedded broker and SQLite: what the demonstration runs."""
    broker = Iotcore()
    with tempfile.TemporaryDirectory() as folder:
        try:
            database = f"sqlite:///{folder}/chaos.db"
            return run(broker, database, faults, messages=_messages(faults), per_s=300, seed=seed, told=told)
        finally:
            broker.stop()


def _messages(faults: Faults) -> int:
    """Enough to go on speaking during all faults: some 10 s each."""
    return 3000 * sum(count for name, count in asdict(faults).items() if name != "down_s")


def table(found: dict[str, Any]) -> str:
    """The results as a page."""
    how = "`./meltwin test --long --quick`" if found["quick"] else "`./meltwin test --long`"
    lines = [
        "# Chaos: what the twin survived",
        "",
        f"{how} on {found['cpu_count']} CPU cores. Laws: every message that was said is kept once and nothing else is;",
        "the forecasts are those of an undisturbed run, each once and in order; no gaps. Recovery is from the end of",
        "the fault (a killed twin: from its start) to the next commit.",
        "",
        "| run | messages | wall s | fault | how many | recovery s, median | longest | laws broken |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, result in found["runs"].items():
        head, broken = f"{name} | {result['messages']:,} | {result['wall_s']:,}", "; ".join(result["broken"]) or "none"
        for fault, times in result["recovery_s"].items():
            lines.append(f"| {head} | {fault} | {len(times)} | {median(times):.2f} | {max(times):.2f} | {broken} |")
    soak = found["soak"]
    settled_mb = soak["rss_mb"][len(soak["rss_mb"]) * 2 // 5]
    lines += [
        "",
        f"Soak: {soak['process_s']:,} s of the simulated DED machine ({soak['messages']:,} messages) in "
        f"{soak['wall_s']:,} s, {soak['times_real_time']} times real time;",
        f"memory grew by {soak['grown_mb']} MB after its first two fifths, from {settled_mb} MB; laws broken: "
        f"{'; '.join(soak['broken']) or 'none'}.",
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    parser = ArgumentParser(prog="meltwin test --long", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the faults, 60 s of soak")
    parser.add_argument("--soak", action="store_true", help="only the soak, into the results that are there")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    told = parser.parse_args(arguments)
    share = 0.1 if told.quick else 1.0
    runs: dict[str, Any] = {}
    parts = {"Mosquitto, PostgreSQL": (with_mosquitto, FULL), "iotcore, SQLite": (with_iotcore, SQLITE)}
    for name, (part, faults) in () if told.soak else parts.items():
        print(f"=== {name}", flush=True)
        runs[name] = asdict(part(scaled(faults, share), told.seed, lambda line: print(line, flush=True)))
        print(runs[name]["broken"] or "every law holds", flush=True)
    wall_s, process_s = (60, 600) if told.quick else (5400, 3600)
    command = [sys.executable, "-m", "tests.chaos.soak", str(wall_s), str(process_s)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT)
    found: dict[str, Any] = {
        "quick": told.quick,
        "cpu_count": os.cpu_count(),
        "machine": platform.machine(),
        "runs": runs,
    }
    if told.soak:
        found = json.loads((told.out / "chaos.json").read_text())
    found["soak"] = json.loads(done.stdout)
    told.out.mkdir(parents=True, exist_ok=True)
    (told.out / "chaos.json").write_text(json.dumps(found, indent=1) + "\n")
    (told.out / "chaos.md").write_text(table(found))
    print(table(found))
    return 1 if any(result["broken"] for result in found["runs"].values()) or found["soak"]["broken"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
