"""Pelican logs of directed energy deposition: one zarr v2 group in a zip for each of x, y, z and laser on or off.

The channels have different rates and ends: x and y at 100 Hz, z only when it changes, on/off at 60 Hz from a camera.
They are merged over the time that x, y and on/off share: a sample at every time of x or y, position linear between the
channel's own samples, and at every change of z or on/off, which hold their last value. Before its first sample z is
the value that this first sample reports. What lies outside the shared time is counted in `dropped`, by channel.

The zips hold some names several times (the attributes as they grew): the last one counts. Arrays are read chunk by
chunk; a chunk that is missing or short is an error, not the fill value.
"""

import hashlib
import json
import zipfile
from itertools import pairwise
from pathlib import Path as File
from typing import Literal, NamedTuple

import numpy as np

from ingest.errors import BadSourceError
from ingest.readers.build_file import BuildFile
from ingest.readers.recording import Readings, RecordedLayer, Recording
from twin.observation import Path

FORMAT: Literal["pelican"] = "pelican"
CHANNELS = ("x", "y", "z", "onoff")
LAYER_PAUSE_S = 1.0  # z is still for longer than this between layers, and for less while it moves to the next
MAX_ABOUT_BYTES = 1 << 20
_MAX_SAMPLES = 100_000_000
_METRES = {"m": 1.0, "mm": 1e-3}


class Channel(NamedTuple):
    """One channel as logged, times increasing."""

    time_s: np.ndarray
    value: np.ndarray


def holds(path: File) -> bool:
    """Whether the path is a folder with zips of a Pelican log."""
    return path.is_dir() and any((path / f"{name}.zip").exists() for name in CHANNELS)


def read(path: File, build: BuildFile, run: str) -> Recording:
    """Read and merge the four channels; a layer begins where z begins to move."""
    x, y, z, on = (read_channel(path / f"{name}.zip", build.position_unit) for name in CHANNELS)
    start_s = max(channel.time_s[0] for channel in (x, y, on))
    end_s = min(channel.time_s[-1] for channel in (x, y, on))
    if not start_s < end_s:
        raise BadSourceError(path, "x, y and on/off have no time in common")
    dropped = {
        name: int(np.sum((channel.time_s < start_s) | (channel.time_s > end_s)))
        for name, channel in zip(CHANNELS, (x, y, z, on), strict=True)
    }
    changes_s = on.time_s[1:][np.diff(on.value.astype(int)) != 0]
    time_s = np.unique(np.concatenate([x.time_s, y.time_s, z.time_s, changes_s]))
    time_s = time_s[(time_s >= start_s) & (time_s <= end_s)]
    samples = Path(
        time_s,
        np.interp(time_s, x.time_s, x.value),
        np.interp(time_s, y.time_s, y.value),
        z.value[_holding(z.time_s, time_s)],
        np.where(on.value[_holding(on.time_s, time_s)] > 0, build.beam_power_w, 0.0),
    )
    digest = hashlib.sha256(b"".join((path / f"{name}.zip").read_bytes() for name in CHANNELS)).hexdigest()
    return Recording(build, "pelican", _layers(samples, z, on), digest, run, dropped)


def read_channel(path: File, unit: str | None) -> Channel:
    """The raw samples of one channel; positions in metres."""
    try:
        with zipfile.ZipFile(path) as archive:
            time_s = _array(path, archive, "raw/times")
            value = _array(path, archive, "raw/data")
            attributes = json.loads(_read(path, archive, "raw/.zattrs", MAX_ABOUT_BYTES))
    except FileNotFoundError:
        raise BadSourceError(path, "this channel of the log is missing") from None
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError, UnicodeDecodeError, EOFError, OSError) as wrong:
        raise BadSourceError(path, f"is not a whole zip of zarr arrays: {wrong}") from wrong
    if len(time_s) != len(value) or len(time_s) < 2:
        raise BadSourceError(path, f"{len(time_s)} times and {len(value)} values")
    if not (np.isfinite(time_s).all() and np.isfinite(value).all()):
        raise BadSourceError(path, "a number is not finite")
    if not (np.diff(time_s) > 0).all():
        at = int(np.argmin(np.diff(time_s) > 0))
        raise BadSourceError(path, f"time does not increase after sample {at}")
    return Channel(time_s, value * _metres(path, attributes, unit) if value.dtype.kind == "f" else value)


def _metres(path: File, attributes: dict, unit: str | None) -> float:
    stated = attributes.get("unit") or attributes.get("units")
    if stated and unit and stated != unit:
        raise BadSourceError(path, f"the log says {stated}, the build file says {unit}")
    if (stated or unit) not in _METRES:
        raise BadSourceError(path, 'the log names no unit; say position_unit = "mm" or "m" in the build file')
    return _METRES[stated or unit or ""]


def _array(path: File, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """A one-dimensional, uncompressed zarr v2 array."""
    about = json.loads(_read(path, archive, f"{name}/.zarray", MAX_ABOUT_BYTES))
    if about.get("zarr_format") != 2 or about.get("compressor") is not None or about.get("filters"):
        raise BadSourceError(path, f"{name} is not an uncompressed zarr v2 array")
    if about["dtype"] not in ("<f8", "<f4", "|b1") or len(about["shape"]) != 1:
        raise BadSourceError(path, f"{name} has type {about['dtype']} and shape {about['shape']}")
    (size,), (chunk,), dtype = about["shape"], about["chunks"], np.dtype(about["dtype"])
    if not (0 < size <= _MAX_SAMPLES and 0 < chunk <= _MAX_SAMPLES):
        raise BadSourceError(path, f"{name} has {size} samples in chunks of {chunk}")
    whole = chunk * dtype.itemsize
    pieces = [_read(path, archive, f"{name}/{number}", whole) for number in range(-(-size // chunk))]
    for number, piece in enumerate(pieces):
        if len(piece) != chunk * dtype.itemsize:
            raise BadSourceError(path, f"{name}/{number} has {len(piece)} bytes, not {chunk * dtype.itemsize}")
    return np.frombuffer(b"".join(pieces), dtype)[:size]


def _read(path: File, archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """A member of at most so many bytes, whatever it declares; one more is read, so that it is noticed."""
    with archive.open(name) as member:
        content = member.read(most + 1)
    if len(content) > most:
        raise BadSourceError(path, f"{name} has more than {most:,} bytes")
    return content


def _holding(own_s: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """Index of the sample that holds at each time; the first one before it has been said."""
    return np.maximum(np.searchsorted(own_s, time_s, side="right") - 1, 0)


def _layers(samples: Path, z: Channel, on: Channel) -> list[RecordedLayer]:
    moves = z.time_s[np.insert(np.diff(z.time_s) > LAYER_PAUSE_S, 0, True)]  # z begins to move
    edges_s = [-np.inf, *(t for t in moves if samples.time_s[0] < t < samples.time_s[-1]), np.inf]
    layers = []
    for number, (from_s, to_s) in enumerate(pairwise(edges_s)):
        here = (samples.time_s >= from_s) & (
            samples.time_s <= to_s
        )  # the sample between two layers ends one, begins one
        path = Path(*(column[here] for column in samples))
        seen = (on.time_s >= path.time_s[0]) & (on.time_s <= path.time_s[-1])
        laser_on = Readings("laser_on", on.time_s[seen], on.value[seen].astype(float))
        readings = (laser_on,) if seen.any() else ()
        layers.append(RecordedLayer(number, float(np.median(path.z_m)), path, readings=readings))
    return layers
