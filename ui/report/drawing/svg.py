"""SVG and PNG by hand: the few marks that a report's pictures need. The same numbers give the same text.

Every picture carries its title and description for those who do not see it. Dense maps are PNG inside the SVG, so that
a picture's size does not grow with the layer.
"""

import base64
import struct
import zlib
from html import escape

import numpy as np
import plotly.colors

from ui.figures import LIGHT

INK, MUTED, LINE = LIGHT.ink, LIGHT.muted, LIGHT.line
FONT_PX = 12
WIDE = 680  # px, of the text's width
TONES = {"normal": "#8fa3b8", "advice": "#8a6fb0", "caution": "#e0912f", "fault": "#b3261e", "waiting": "#c3cad2"}


def document(width: float, height: float, title: str, description: str, body: list[str], name: str) -> str:
    """A whole picture; `name` is unique in the page."""
    return (
        f'<svg role="img" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        f'aria-labelledby="{name}-title {name}-description" font-size="{FONT_PX}" fill="{INK}">\n'
        f'<title id="{name}-title">{escape(title)}</title>\n'
        f'<desc id="{name}-description">{escape(description)}</desc>\n' + "\n".join(body) + "\n</svg>\n"
    )


def words(x: float, y: float, said: str, anchor: str = "start", *, fill: str = MUTED, bold: bool = False) -> str:
    """A line of text."""
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}"{weight}>{escape(said)}</text>'


def turned(x: float, y: float, said: str) -> str:
    """A line of text from below to above, its middle at (x, y)."""
    return (
        f'<text transform="translate({x:.1f} {y:.1f}) rotate(-90)" text-anchor="middle" fill="{MUTED}">'
        f"{escape(said)}</text>"
    )


def rect(x: float, y: float, width: float, height: float, fill: str, more: str = "") -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"{more}/>'


def path(points: np.ndarray, stroke: str, width: float = 1.6, *, fill: str = "none", more: str = "") -> str:
    """A line through (n, 2) points in px; a point that is not finite breaks it."""
    parts, open_ = [], False
    for x, y in points:
        if not (np.isfinite(x) and np.isfinite(y)):
            open_ = False
            continue
        parts.append(f"{'L' if open_ else 'M'}{x:.1f} {y:.1f}")
        open_ = True
    d = "".join(parts)
    return f'<path d="{d}" fill="{fill}" stroke="{stroke}" stroke-width="{width:g}"{more}/>' if d else ""


def band(x: np.ndarray, low: np.ndarray, high: np.ndarray, fill: str) -> list[str]:
    """The area between two lines, in px; in pieces where one of them is not finite."""
    good = np.isfinite(low) & np.isfinite(high)
    pieces = []
    for piece in np.split(np.arange(len(x)), np.flatnonzero(~good)):
        piece = piece[good[piece]]
        if len(piece) > 1:
            around = np.concatenate([np.c_[x, low][piece], np.c_[x, high][piece][::-1]])
            pieces.append(path(around, "none", 0, fill=fill))
        elif len(piece):
            at = piece[0]
            pieces.append(rect(x[at] - 2, min(low[at], high[at]), 4, abs(high[at] - low[at]), fill))
    return pieces


def dots(points: np.ndarray, colour: str, radius: float = 2.2) -> list[str]:
    """Hollow circles at (n, 2) points in px."""
    return [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="none" stroke="{colour}" stroke-width="1.1"/>'
        for x, y in points
        if np.isfinite(x) and np.isfinite(y)
    ]


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers between two."""
    if not high > low:
        return [low]
    rough = (high - low) / wanted
    decade = 10.0 ** np.floor(np.log10(rough))
    step = next(each * decade for each in (1, 2, 2.5, 5, 10) if each * decade >= rough * 0.999)
    first = int(np.ceil(low / step - 1e-9))
    last = int(np.floor(high / step + 1e-9))
    return [round(number * step, 12) for number in range(first, last + 1)]


def image(x: float, y: float, width: float, height: float, rgba: np.ndarray, *, smooth: bool = False) -> str:
    """(rows, columns, 4) bytes as a picture in the picture."""
    rendering = "" if smooth else ' style="image-rendering:pixelated"'
    return (
        f'<image x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" preserveAspectRatio="none"'
        f'{rendering} href="{data_url(png(rgba))}"/>'
    )


def data_url(png_bytes: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png_bytes).decode()}"


def png(rgba: np.ndarray) -> bytes:
    """(rows, columns, 4) bytes as a PNG (RFC 2083: no interlace, no filter)."""
    rows, columns, _ = rgba.shape
    lines = np.zeros((rows, 1 + 4 * columns), np.uint8)
    lines[:, 1:] = np.ascontiguousarray(rgba, np.uint8).reshape(rows, -1)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", columns, rows, 8, 6, 0, 0, 0)
    body = zlib.compress(lines.tobytes(), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def colours(values: np.ndarray, low: float, high: float, scale: str) -> np.ndarray:
    """Values as RGBA by a colour scale of Plotly's; what is not finite is clear."""
    table = np.array([
        plotly.colors.hex_to_rgb(stop) if stop.startswith("#") else plotly.colors.unlabel_rgb(stop)
        for _, stop in plotly.colors.get_colorscale(scale)
    ], float)  # fmt: skip
    at = np.array([place for place, _ in plotly.colors.get_colorscale(scale)])
    good = np.isfinite(values)
    share = np.clip((np.where(good, values, low) - low) / max(high - low, 1e-30), 0.0, 1.0)
    rgb = np.stack([np.interp(share, at, table[:, channel]) for channel in range(3)], axis=-1)
    return np.concatenate([np.rint(rgb), np.where(good, 255, 0)[..., None]], axis=-1).astype(np.uint8)


def colour_bar(
    x: float, y: float, height: float, low: float, high: float, scale: str, unit: str, marks: list[tuple[float, str]]
) -> list[str]:
    """A scale with its unit above and marks beside."""
    strip = colours(np.linspace(high, low, 64)[:, None], low, high, scale)
    found = [image(x, y, 10, height, strip, smooth=True), words(x, y - 7, unit)]
    for value, said in marks:
        level = y + height * (high - value) / max(high - low, 1e-30)
        found.append(f'<path d="M{x + 10:.1f} {level:.1f}h3" stroke="{MUTED}"/>')
        found.append(words(x + 16, level + 4, said))
    return found


def contour(x: np.ndarray, y: np.ndarray, values: np.ndarray, level: float) -> np.ndarray:
    """Segments (n, 2, 2) on which values[i, j] at (x[i], y[j]) are `level`: marching squares, linear on each edge."""
    above = values > level
    segments = []
    corners = ((0, 0), (1, 0), (1, 1), (0, 1))
    mixed = above[:-1, :-1].astype(int) + above[1:, :-1] + above[1:, 1:] + above[:-1, 1:]
    for i, j in np.argwhere((mixed > 0) & (mixed < 4)):
        crossings = []
        for (a, b), (c, d) in zip(corners, corners[1:] + corners[:1], strict=True):
            here, there = values[i + a, j + b], values[i + c, j + d]
            if (here > level) != (there > level):
                share = (level - here) / (there - here)
                crossings.append((x[i + a] + share * (x[i + c] - x[i + a]), y[j + b] + share * (y[j + d] - y[j + b])))
        segments += [crossings[k : k + 2] for k in range(0, len(crossings) - 1, 2)]
    return np.array(segments, float).reshape(-1, 2, 2)
