"""Rows: one result each, of (suite, operator, seed, budget), kept in a suite's results file. What is there is not run
again, so tables fill over several runs."""

import fcntl
import json
import math
import os
import platform
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class Row:
    """errors: by test split, then by measure; parameters and seconds (training, tuning included) are 0 where nothing
    is learned; `curve` is (step, loss, validation) of the training, `growth` the error at each step of a rollout.
    `gflop`, `memory_mb`: of one evaluation at batch 1 (`score`). `code_r2`: how well the true coefficients are read
    from a code of the past (`stress.code_tells`). `profile`: by test split, what `score.profile` shows of a line.
    `refused` tells why there are no errors."""

    suite: str
    operator: str
    kind: str
    seed: int
    budget: str
    errors: dict[str, dict[str, float]] = field(default_factory=dict)
    parameters: int = 0
    seconds: float = 0.0
    steps: int = 0
    rate: float = 0.0
    noise: float = 0.0
    latency_ms: float = 0.0
    gflop: float = 0.0
    memory_mb: float = 0.0
    code_r2: float | None = None
    profile: dict[str, list[float]] = field(default_factory=dict)
    curve: list[list[float]] = field(default_factory=list)
    growth: list[float] = field(default_factory=list)
    refused: str = ""
    made: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, int, str]:
        return self.suite, self.operator, self.seed, self.budget


class Results:
    """The file of one suite: {"suite": ..., "about": {budget: ...}, "rows": [...]}, a row a line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.about, self.rows = _read(path)

    def add(self, row: Row) -> None:
        """Keep a row, beside what another run may have added to the file."""
        with _alone(self.path.parent):
            about, rows = _read(self.path)
            self.about, self.rows = about | self.about, self.rows | rows | {row.key: row}
            self.write()

    def write(self) -> None:
        rows = sorted(self.rows.values(), key=lambda r: (r.budget, r.kind, r.operator, r.seed))
        lines = ",\n".join("  " + json.dumps(_short(asdict(row))) for row in rows)
        about = json.dumps(_short(self.about), indent=1).replace("\n", "\n ")
        about = re.sub(r"\[[^\[\]{}]*\]", lambda found: " ".join(found[0].split()), about)  # a list on one line
        half = self.path.with_suffix(".half")
        half.write_text(f'{{\n "about": {about},\n "rows": [\n{lines}\n ]\n}}\n')
        half.replace(self.path)


class ResultsFileError(Exception):
    """A results file cannot be read."""


def _read(path: Path) -> tuple[dict[str, Any], dict[tuple[str, str, int, str], Row]]:
    """What a file tells, by budget, and its rows by key; nothing where there is none."""
    if not path.is_file():
        return {}, {}
    try:
        told = json.loads(path.read_text())
        return dict(told["about"]), {row.key: row for row in (Row(**r) for r in told["rows"])}
    except (ValueError, TypeError, KeyError) as failure:
        raise ResultsFileError(f"{path} is no results file: {type(failure).__name__}: {failure}") from failure


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other process between these lines, of those that ask for the same folder."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def made(device: str = "cpu") -> dict[str, Any]:
    """Where and from what a row was made; no commit where there is no git."""
    asked = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        commit = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        commit = ""
    cores = f"{os.cpu_count()} CPU cores"
    return {
        "date": datetime.now(UTC).date().isoformat(), "commit": commit,
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else cores,
        "threads": torch.get_num_threads(), "machine": platform.machine(), "torch": torch.__version__,
    }  # fmt: skip


def _short(value: Any) -> Any:
    """Five digits; null for what JSON has no number for."""
    if isinstance(value, dict):
        return {str(k): _short(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_short(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    return value
