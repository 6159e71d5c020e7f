"""System: Python, packages, programs, device, off-screen OpenGL, clock, disk."""

import json
import platform
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from deploy.checks.finding import Finding
from deploy.ports import HERE, port_is_free
from deploy.settings import Settings
from ingest.mqtt import answers

PACKAGES = (
    "torch", "numpy", "numba", "pydantic", "paho-mqtt", "iotcore", "sqlalchemy", "alembic", "psycopg", "dash",
    "pyvista", "structlog", "prometheus-client",
)  # fmt: skip
PROGRAMS = {
    "chromium": "for the browser test: apt install chromium chromium-driver",
    "mosquitto": "for the broker test and for real use: apt install mosquitto",
    "openssl": "for `meltwin broker setup`: apt install openssl",
    "pg_dump": "for backups of a PostgreSQL store: apt install postgresql-client",
}
SBIN = "/usr/sbin:/sbin"
MIB = 1 << 20
STEP_S = 0.05
_RENDER = (
    "import pyvista; p = pyvista.Plotter(off_screen=True, window_size=(64, 48)); p.add_mesh(pyvista.Sphere());"
    "print(p.screenshot(None, return_img=True).std() > 0)"
)


def packages() -> Iterator[Finding]:
    """Python and what runs in it."""
    yield Finding("python", "ok", f"{sys.version.split()[0]} on {platform.system()} {platform.machine()}")
    for name in PACKAGES:
        found = installed(name)
        remedy = "remove .venv and run ./meltwin again"
        yield Finding(name, "ok", found) if found else Finding(name, "MISSING", "not installed", remedy)


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def programs() -> Iterator[Finding]:
    """Programs of the system, with what they say of their version."""
    for name, remedy in PROGRAMS.items():
        path = shutil.which(name) or shutil.which(name, path=SBIN)
        if path is None:
            yield Finding(name, "absent", "not installed", remedy)
        else:
            yield Finding(name, "ok", f"{path}{_told_version(path, name)}")


def _told_version(path: str, name: str) -> str:
    asks = {"mosquitto": "-h", "openssl": "version"}
    if name not in asks:
        return ""
    done = subprocess.run([path, asks[name]], capture_output=True, text=True, check=False, timeout=10)
    return f", {done.stdout.splitlines()[0]}" if done.stdout else ""


def device() -> Finding:
    """Where operators would run."""
    if installed("torch") is None:
        return Finding("device", "MISSING", "no torch", "install torch first")
    import torch

    if torch.cuda.is_available():
        return Finding("device", "ok", f"cuda, {torch.cuda.get_device_name(0)}")
    return Finding("device", "ok", f"cpu, {torch.get_num_threads()} threads (no CUDA device)")


def rendering() -> Finding:
    """Whether a picture can be drawn without a screen; asked of a process of its own, which this may kill."""
    remedy = "reports have no 3-D picture; apt install libegl1 libgl1 libxrender1"
    try:
        done = subprocess.run(
            [sys.executable, "-c", _RENDER], capture_output=True, text=True, check=False, timeout=90
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Finding("off-screen OpenGL", "absent", "did not answer in 90 s", remedy)
    if done.returncode == 0 and "True" in done.stdout:
        return Finding("off-screen OpenGL", "ok", "draws")
    return Finding("off-screen OpenGL", "absent", f"the probe ended with code {done.returncode}", remedy)


def ports(settings: Settings) -> Iterator[Finding]:
    """Free, or taken by a Meltwin that runs."""
    names = ["ui_port", "metrics_port", *(["mqtt_port"] if settings.broker == "embedded" else [])]
    for name in names:
        port = getattr(settings, name)
        if port == 0:
            continue
        if port_is_free(port):
            yield Finding(f"port {port}", "ok", f"free, for {name}")
        elif _is_ours(port) if name != "mqtt_port" else answers(HERE, port, 1.0):
            yield Finding(f"port {port}", "ok", f"{name}: a running Meltwin answers there")
        else:
            yield Finding(f"port {port}", "MISSING", "taken", f"stop what uses it, or change {name}")


def _is_ours(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HERE}:{port}/healthz", timeout=2.0) as answer:
            return "status" in json.loads(answer.read(1024))
    except (OSError, ValueError):
        return False


def clock(seconds: float = 0.25) -> Iterator[Finding]:
    """Whether the wall clock goes as the monotonic one does, and whether something keeps it right."""
    wall_s, steady_s = time.time(), time.monotonic()
    time.sleep(seconds)
    step_s = (time.time() - wall_s) - (time.monotonic() - steady_s)
    if abs(step_s) > STEP_S:
        told = f"the wall clock jumped {step_s:+.3f} s in {seconds} s"
        yield Finding("clock", "look", told, "latency and data age are wrong while it does")
    else:
        yield Finding("clock", "ok", f"wall and monotonic agree to {1e3 * abs(step_s):.1f} ms over {seconds} s")
    yield _synchronised()


def _synchronised() -> Finding:
    program = shutil.which("timedatectl")
    asked = [program or "", "show", "--property=NTPSynchronized", "--value"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=10) if program else None
    said = done.stdout.strip() if done is not None and done.returncode == 0 else ""
    if said == "yes":
        return Finding("clock synchronised", "ok", "by NTP, as timedatectl says")
    if said == "no":
        remedy = "timedatectl set-ntp true, here and at the machines"
        return Finding("clock synchronised", "look", "timedatectl says no", remedy)
    told = "cannot be known here: timedatectl does not answer"
    return Finding("clock synchronised", "look", told, "see that chrony, ntpd or the host keeps it")


def disk(folder: Path, spare_mib: float, stop_mib: float) -> Finding:
    """Room where everything is written, against the store's own guard."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free_mib = shutil.disk_usage(folder).free / MIB
    told = f"{free_mib:,.0f} MiB free at {folder}"
    remedy = "make room, prune (./meltwin db prune), or move data_dir"
    if free_mib < stop_mib:
        return Finding("disk", "LOSES", f"{told}, less than disk_stop_mib: nothing is taken from the broker", remedy)
    if free_mib < spare_mib:
        return Finding("disk", "look", f"{told}, less than disk_spare_mib: no fields and pictures are kept", remedy)
    return Finding("disk", "ok", told)
