"""NIST XYPT: the commands of the AMMT in HDF5, as AM-Bench 2022 publishes them (doi 10.18434/mds2-2607).

    XYPT                attribute digital_rate: samples a second; 100 kHz where it is missing
    XYPT/<layer>/X, Y   mm, one value a sample, shape (1, n)
    XYPT/<layer>/P      W
    XYPT/<layer>/T      the word that triggers instruments; `triggers` reads it, messages leave it out

A layer is a number; where they are names (`Xpad`, `Ypad`), layers are counted in the order of names, which stand in the
note. The file says nothing of the time between layers, so each begins one sample after the last; nor of z, which is
the layer's number times the thickness. One layer at a time is in memory: 40 bytes a sample, and its messages 500
samples at a time.
"""

from itertools import accumulate
from pathlib import Path as File
from typing import Any, Literal

import numpy as np

from ingest.errors import BadSourceError
from ingest.files import hdf5
from ingest.files.text import file_hash
from ingest.readers.build_file import BuildFile
from ingest.readers.recording import RecordedLayer, Recording, Streamed
from twin.observation import Path
from twin.units import to_si

FORMAT: Literal["xypt"] = "xypt"
RATE_HZ = 1e5
GROUP = "XYPT"
_COLUMNS = ("X", "Y", "P")


def read(path: File, build: BuildFile, run: str) -> Recording:
    """Check the names, shapes and lengths of all layers; their values are read when they are asked for."""
    with hdf5.open_hdf5(path) as file:
        found = _layers(path, file)
        rate_hz = _rate_hz(path, file)
        sizes, triggers = [], 0
        for _, name in found:
            lengths = {column: hdf5.array(path, file, f"{GROUP}/{name}/{column}").size for column in _COLUMNS}
            if len(set(lengths.values())) > 1 or not lengths["X"]:
                raise BadSourceError(
                    path, f"{GROUP}/{name}: {', '.join(f'{n} {k}' for k, n in lengths.items())} samples"
                )
            sizes.append(lengths["X"])
            if hdf5.member(path, file, f"{GROUP}/{name}/T") is not None:
                triggers += hdf5.array(path, file, f"{GROUP}/{name}/T").size
    firsts = [0, *accumulate(sizes)]

    def layer(at: int) -> RecordedLayer:
        number, name = found[at]
        with hdf5.open_hdf5(path) as file:
            x, y, power_w = (hdf5.column(path, hdf5.array(path, file, f"{GROUP}/{name}/{c}")) for c in _COLUMNS)
        if len(x) != sizes[at]:
            raise BadSourceError(path, f"{GROUP}/{name} changed while it was read")
        if power_w.min() < 0:
            raise BadSourceError(path, f"{GROUP}/{name}/P: value {int(np.argmin(power_w))} is below 0 W")
        time_s = (firsts[at] + np.arange(sizes[at])) / rate_hz
        z_m = number * build.layer_thickness_m
        samples = Path(time_s, to_si(x, "mm"), to_si(y, "mm"), np.full(len(x), z_m), power_w)
        return RecordedLayer(number, z_m, samples, note="" if name.isdigit() else name)

    return Recording(
        build.model_copy(update={"assumed": sorted({*build.assumed, "layer_thickness_m"})}),
        path.resolve().stem[:48],
        Streamed([number for number, _ in found], layer),
        file_hash([path]),
        run,
        {"T": triggers} if triggers else {},
    )


def triggers(path: File, layer: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples of a layer at which the trigger word is not 0, and the words: (n,) integers each."""
    with hdf5.open_hdf5(path) as file:
        name = dict(_layers(path, file)).get(layer)
        if name is None:
            raise BadSourceError(path, f"has no layer {layer}")
        words = hdf5.column(path, hdf5.array(path, file, f"{GROUP}/{name}/T")).astype(np.int64)
    at = np.flatnonzero(words)
    return at, words[at]


def _layers(path: File, file: Any) -> list[tuple[int, str]]:
    group = hdf5.member(path, file, GROUP)
    found = hdf5.names(path, group) if group is not None else []
    if not found:
        raise BadSourceError(path, f"{GROUP} holds no layers")
    if all(name.isdigit() for name in found):
        return sorted((int(name), name) for name in found)
    return list(enumerate(sorted(found)))


def _rate_hz(path: File, file: Any) -> float:
    rate_hz = hdf5.number(path, hdf5.member(path, file, GROUP), ["digital_rate"]) or RATE_HZ
    if not 1e3 <= rate_hz <= 1e7:
        raise BadSourceError(path, f"{GROUP}: digital_rate {rate_hz:g} is no rate between 1 kHz and 10 MHz")
    return rate_hz
