"""Kept: a suite's data on disk, so that rows side by side, and runs one after the other, make it once. In the system's
folder for temporary files, under a name that changes with the code that makes it."""

import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from operators.problem import Geometry, Map, March, Problem, Samples, Trajectories

ROOT = Path(__file__).parents[1]


def path_of(suite: str, budget: str) -> Path:
    """Where a suite's data are, or would be."""
    code = b"".join(
        p.read_bytes() for p in sorted(ROOT.glob("*/*.py")) if p.parent.name in _makers(suite) and "test_" not in p.name
    )
    name = f"meltwin-{suite}-{budget}-{hashlib.sha256(code).hexdigest()[:12]}.safetensors"
    return Path(tempfile.gettempdir()) / name


def problem(suite: str, budget: str, make: Callable[[], Problem]) -> Problem:
    """The data: read where they were kept, else made, and kept."""
    path = path_of(suite, budget)
    if path.is_file():
        try:
            return load(path)
        except (SafetensorError, KeyError, ValueError):
            path.unlink()  # cut short: made anew
    made = make()
    save(made, path)
    return made


def save(problem: Problem, path: Path) -> None:
    geometry = problem.geometry
    tensors = {"points": geometry.points, "volume": geometry.volume}
    parts = {"fit": problem.fit, "validation": problem.validation} | {f"test {k}": v for k, v in problem.tests.items()}
    for name, part in parts.items():
        tensors |= {f"{name}/{field}": value for field, value in vars(part).items() if value is not None}
    told = {"name": problem.name, "shape": geometry.shape, "periodic": geometry.periodic, "about": dict(problem.about)}
    if isinstance(problem, March):
        told |= {"dt": problem.dt, "lags": problem.lags, "horizon": problem.horizon}
        told |= {"in_context": problem.in_context, "positive": problem.positive, "conserved": problem.conserved}
    half = path.with_suffix(f".{hashlib.sha256(str(id(problem)).encode()).hexdigest()[:8]}.half")
    save_file({k: v.contiguous() for k, v in tensors.items()}, half, {"problem": json.dumps(told)})
    half.replace(path)


def load(path: Path) -> Problem:
    with safe_open(path, "pt") as file:
        told = json.loads(file.metadata()["problem"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    shape = told["shape"] and tuple(told["shape"])
    geometry = Geometry(tensors["points"], tensors["volume"], shape, told["periodic"])
    kind = Trajectories if "dt" in told else Samples
    names = dict.fromkeys(name.split("/")[0] for name in tensors if "/" in name)
    parts = {
        name: kind(**{k.split("/")[1]: v for k, v in tensors.items() if k.startswith(f"{name}/")}) for name in names
    }
    fit, validation = parts.pop("fit"), parts.pop("validation")
    tests = {name.removeprefix("test "): part for name, part in sorted(parts.items())}
    tests = {"id": tests.pop("id"), **tests}
    if kind is Samples:
        return Map(told["name"], geometry, fit, validation, tests, told["about"])
    return March(
        told["name"], geometry, told["dt"], told["lags"], fit, validation, tests, told["horizon"],
        told["about"], told["in_context"], tuple(told["positive"]), told["conserved"],
    )  # fmt: skip


def _makers(suite: str) -> set[str]:
    """The folders whose code a suite's data come from: some share the solver of navier_stokes_30, some the laws."""
    return {suite, "navier_stokes_30", "laws"}
