"""Operators, their training, validation and benchmarks need torch, numpy, numba, safetensors, einops and jaxtyping
alone: a GPU machine has no more."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
QUEUE = ROOT / "docs" / "gpu.md"
NOT_THERE = ("dash", "h5py", "pandas", "paho", "plotly", "pydantic", "pyvista", "rich", "scipy", "sqlalchemy", "typer")
LOADED = f"""
import sys
from importlib import import_module
sys.modules.update(dict.fromkeys({NOT_THERE}))
for name in sys.argv[1:]:
    import_module(name)
"""


def modules() -> set[str]:
    """What the commands of docs/gpu.md run."""
    told = QUEUE.read_text()
    suites = re.findall(r"^\| `[^`]*(tests\.\w+) (\w+)|^\| `\./meltwin (train)", told, re.MULTILINE)
    return {
        "operators.train"
        if train
        else f"tests.bench.bench_{name}"
        if what == "tests.bench"
        else "tests.validation.__main__"
        for what, name, train in suites
    }


def test_what_waits_for_a_gpu_loads_where_only_operators_can_run() -> None:
    asked = modules()
    assert {"operators.train", "tests.validation.__main__", "tests.bench.bench_forecast"} <= asked
    recipes = ("operators.melt_pool.recipe", "operators.camera.recipe")
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *sorted(asked), *recipes], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
