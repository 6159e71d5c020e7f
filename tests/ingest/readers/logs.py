"""Logs made by hand, and a recording run through Order with every message accounted for."""

from pathlib import Path

from ingest.order import Order
from ingest.readers import Recording
from tests.ingest.said import heard
from twin.observation import Window

PEREGRINE = "Mode\tX(mm)\tY(mm)\tZ(mm)\tPmod\ttParam"


ROWS = ["1\t0\t0\t2.5\t0\t0.5", "0\t1\t0\t2.5\t1\t0.5", "0\t1\t1\t2.5\t0\t1.0", "0\t0\t1\t2.5\t0.5\t0.5"]


BUILD = """
format = "{format}"
machine = "m"
process = "lpbf"
material = "SS316L"
beam_diameter_m = 1e-4
beam_power_w = 200.0
scan_speed_m_per_s = 0.5
layer_thickness_m = 5e-5
frame_s = 1e-4
"""


def scan_path(folder: Path, lines: list[str], name: str = "0000007.txt", more: str = "") -> Path:
    (folder / "build.toml").write_text(BUILD.format(format="scan_path") + more)
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def windows_of(recording: Recording) -> tuple[Order, list[Window]]:
    order = Order()
    windows = [w for due in recording.messages() for w in order.add(heard(due.message), 0.0)]
    counts = order.counts()
    assert counts.received == counts.released
    assert (counts.gaps, counts.waiting, counts.held) == (0, 0, 0)
    return order, windows
