"""Plots: the ledger of a long run, and surface and section of a forecast beside the truth, as SVG."""

import base64
import struct
import zlib

import numpy as np
import torch

from operators.camera.draws import CELLS, CONTEXT
from operators.camera.operator import LAYERS, CameraFluxNo
from operators.camera.samples import Tracks
from tests.validation.harness.plots import COLOURS, GREY
from tests.validation.melt_pool_camera.rows import solved_for, told, without

SHOWN = 3  # track of the test split in the picture
WIDE, HIGH, LEFT, TOP = 520, 260, 60, 30  # px
PIXEL = 6  # px of a cell
HOT = 1.2  # theta at the end of the colours
MAP = np.array([[13, 8, 135], [126, 3, 168], [204, 71, 120], [248, 149, 64], [240, 249, 33]], float)  # plasma's corners
SCALED = 1e6  # by which the defect is shown


def ledger(run: dict[str, list[float]]) -> str:
    """Where the energy is, over what was absorbed by the end; the defect times a million."""
    lines = {name: run[name] for name in ("absorbed", "stored", "walls", "surface")}
    lines["defect x 1e6"] = [SCALED * v for v in run["defect"]]
    n = len(run["stored"])
    low, high = min(-0.1, min(lines["defect x 1e6"])), 1.0
    body = [f'<rect width="{WIDE}" height="{HIGH}" fill="none" stroke="{GREY}"/>']
    for level in (0.0, 0.5, 1.0):
        y = HIGH * (high - level) / (high - low)
        body.append(f'<path d="M0 {y:.1f}H{WIDE}" stroke="{GREY}" stroke-opacity=".4"/>')
        body.append(f'<text x="-6" y="{y + 4:.1f}" fill="{GREY}" text-anchor="end">{level:g}</text>')
    for k, (name, values) in enumerate(lines.items()):
        points = "L".join(
            f"{WIDE * (i + 1) / n:.1f} {HIGH * (high - v) / (high - low):.1f}" for i, v in enumerate(values)
        )
        body.append(f'<path d="M{points}" fill="none" stroke="{COLOURS[k]}" stroke-width="1.8"/>')
        body.append(f'<path d="M{WIDE + 12} {12 + 20 * k}h20" stroke="{COLOURS[k]}" stroke-width="2"/>')
        body.append(f'<text x="{WIDE + 38}" y="{16 + 20 * k}" fill="{GREY}">{name}</text>')
    title = f"energy over what was absorbed, {run['steps'][0]:.0f} steps in float32"
    body.append(f'<text x="0" y="-10" fill="{GREY}">{title}</text>')
    return _svg(
        LEFT + WIDE + 150, TOP + HIGH + 20, f'<g transform="translate({LEFT} {TOP})">' + "\n".join(body) + "</g>"
    )


def rollout(model: CameraFluxNo, track: Tracks) -> str:
    """theta after the last frame: the surface, and the section along the beam's row; the truth, with context, without
    and told."""
    with torch.no_grad():
        found = {"reference": track.field[:, CONTEXT:].float(), "with context": solved_for(model, track),
                 "without context": without(model, track), "told": told(model, track)}  # fmt: skip
    row = int(track.places[0, -1, 0])
    deep = np.repeat(np.arange(len(LAYERS)), [round(2 * thick) for thick in LAYERS])  # half cells
    body, y = [], TOP
    for name, fields in found.items():
        last = fields[0, -1].numpy()
        surface, section = last[0], last[deep][:, row]
        body.append(f'<text x="8" y="{y - 6}" fill="{GREY}">{name}</text>')
        for image, tall in ((surface, PIXEL), (section, PIXEL / 2)):
            high, wide = image.shape[0] * tall, image.shape[1] * PIXEL
            body.append(
                f'<image x="8" y="{y}" width="{wide}" height="{high:g}" preserveAspectRatio="none" '
                f'style="image-rendering:pixelated" href="data:image/png;base64,{_png(image)}"/>'
            )
            y += round(high) + 4
        y += 24
    note = f"theta 0 to {HOT}; a cell is 1/{CELLS} of a beam diameter; surface above, section along the beam below"
    body.append(f'<text x="8" y="{y - 6}" fill="{GREY}">{note}</text>')
    return _svg(16 + 72 * PIXEL + 120, y + 6, "\n".join(body))


def _svg(wide: float, high: float, body: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:g} {high:g}" font-family="sans-serif" '
        f'font-size="12">\n{body}\n</svg>\n'
    )


def _png(image: np.ndarray) -> str:
    """Base64 of a PNG of eight bits a colour."""
    at = np.clip(image / HOT, 0, 1) * (len(MAP) - 1)
    low = np.minimum(at.astype(int), len(MAP) - 2)
    part = (at - low)[..., None]
    colours = ((1 - part) * MAP[low] + part * MAP[low + 1]).round().astype(np.uint8)
    high, wide = image.shape
    rows = b"".join(b"\0" + line.tobytes() for line in colours)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", wide, high, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + parts).decode()
