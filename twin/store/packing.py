"""Packing: messages and arrays as bytes, rows as DataFrames. Nothing here knows of a database."""

import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from twin.forecast import Field
from twin.observation import AnyMessage, Message, Parameters
from twin.store.port import StoreCorruptError

SAMPLE_COLUMNS = ("sample_time_s", "x_m", "y_m", "z_m", "beam_power_w")
_LONG_PAYLOAD = 1024  # bytes from which zlib pays
_FLOAT16_MAX_K = 65504.0
_messages: TypeAdapter[Any] = TypeAdapter(AnyMessage)

# Columns of what a store returns, and their types. Numbers that may be missing are floats: NaN.
MACHINES = {
    "machine": object, "site": object, "status": object, "origin": object, "process": object, "time_factor": float,
    "build": object, "layer": float, "last_sent_s": float, "last_time_s": float,
}  # fmt: skip
MELT_POOL = {
    "frame": int, "issued_s": float, "time_s": float, "lead_s": float, "length_m": float, "width_m": float,
    "depth_m": float, "x_m": float, "y_m": float, "beam_power_w": float, "layer": int, "outcome": object,
    "operator": object,
}  # fmt: skip
SIGNALS = {"time_s": float, "name": object, "value": float, "layer": int}
SCAN_VECTORS = {
    "vector": int, "start_s": float, "x0_m": float, "y0_m": float, "x1_m": float, "y1_m": float, "z_m": float,
    "beam_power_w": float, "scan_speed_m_per_s": float, "dwell_s": float,
}  # fmt: skip
PARAMETERS = {"time_s": float, "x_m": float, "y_m": float, "z_m": float, "beam_power_w": float}
ALERTS = {
    "machine": object, "build": object, "kind": object, "layer": int, "severity": object, "x_m": float, "y_m": float,
    "first_seen_s": float, "last_seen_s": float, "evidence": object, "action": object, "acknowledged_s": float,
    "acknowledged_by": object, "acknowledged_note": object, "cleared_s": float,
}  # fmt: skip
REJECTS = {"received_s": float, "topic": object, "payload": object, "reason": object}
GAPS = {"noticed_s": float, "source": object, "channel": object, "first_sequence": int, "last_sequence": int}


def table(rows: Sequence[Sequence[Any]], columns: Mapping[str, type]) -> pd.DataFrame:
    """Rows as a DataFrame with these columns and types, also when there are none; a missing number is NaN."""
    values: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else [()] * len(columns)
    arrays = {}
    for (name, kind), column in zip(columns.items(), values, strict=True):
        array: np.ndarray = np.empty(len(rows), dtype=kind)
        array[:] = column
        arrays[name] = array
    return pd.DataFrame({name: pd.Series(array, dtype=array.dtype, copy=False) for name, array in arrays.items()})


def plain_text(text: str) -> str:
    """Text that every database takes: no lone surrogates, no NUL."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")


def pack_message(message: Message) -> tuple[str, bytes]:
    """(encoding, payload) of a message: its JSON, compressed where it is long. Floats survive exactly."""
    payload = message.model_dump_json().encode()
    return ("json", payload) if len(payload) < _LONG_PAYLOAD else ("json+zlib", zlib.compress(payload, 1))


def unpack_message(encoding: str, payload: bytes) -> Any:
    """The message that `pack_message` took."""
    return _messages.validate_json(payload if encoding == "json" else zlib.decompress(payload))


def same_content(a: Message, b: Message) -> bool:
    """Whether two messages say the same; when they were sent does not count, a publisher may send again."""
    return a.model_copy(update={"sent_s": None}) == b.model_copy(update={"sent_s": None})


def digest(*parts: bytes) -> str:
    """A name for content: SHA-256 over the parts, each preceded by its length."""
    content = hashlib.sha256()
    for part in parts:
        content.update(len(part).to_bytes(8, "little") + part)
    return content.hexdigest()


def pack_samples(message: Parameters) -> bytes:
    """The columns of a parameters message, one after another, as little-endian float64."""
    return np.array([getattr(message, name) for name in SAMPLE_COLUMNS], dtype="<f8").tobytes()


def unpack_samples(columns: bytes, samples: int) -> np.ndarray:
    """(time_s, x_m, y_m, z_m, beam_power_w) by sample: the inverse of `pack_samples`."""
    return np.frombuffer(columns, dtype="<f8").reshape(len(SAMPLE_COLUMNS), samples)


def pack_field(field: Field) -> dict[str, Any]:
    """The columns of a field snapshot. float16 is good to 1 K up to 4096 K; what it cannot hold is kept in float32."""
    temperature_k = np.asarray(field.temperature_k, dtype=np.float32)
    finite = np.isfinite(temperature_k)
    largest_k = float(np.abs(temperature_k[finite]).max(initial=0.0))
    dtype = "<f2" if largest_k < _FLOAT16_MAX_K else "<f4"
    stored = temperature_k.astype(dtype)
    original = np.asarray(field.temperature_k, dtype=np.float64)[finite]
    compressed = zlib.compress(np.ascontiguousarray(stored).tobytes(), 1)
    nx, ny, nz = temperature_k.shape
    return {
        "lead_s": float(field.lead_s),
        "heading_rad": float(field.heading_rad),
        "solidus_k": float(field.solidus_k),
        "boiling_k": float(field.boiling_k),
        "nx": nx,
        "ny": ny,
        "nz": nz,
        "axes_m": np.concatenate([field.x_m, field.y_m, field.z_m]).astype("<f8").tobytes(),
        "dtype": dtype,
        "rounding_k": float(np.abs(stored[finite].astype(np.float64) - original).max(initial=0.0)),
        "checksum": zlib.crc32(compressed),
        "temperature_k": compressed,
    }


def unpack_field(row: Any) -> Field:
    """The field of a row of `fields`; the temperature comes back as float32."""
    if zlib.crc32(row.temperature_k) != row.checksum:
        raise StoreCorruptError(
            f"the field of forecast {row.forecast_id} at lead {row.lead_s} s does not match its checksum"
        )
    axes_m = np.frombuffer(row.axes_m, dtype="<f8")
    temperature_k = np.frombuffer(zlib.decompress(row.temperature_k), dtype=row.dtype)
    return Field(
        x_m=axes_m[: row.nx],
        y_m=axes_m[row.nx : row.nx + row.ny],
        z_m=axes_m[row.nx + row.ny :],
        temperature_k=temperature_k.reshape(row.nx, row.ny, row.nz).astype(np.float32),
        solidus_k=row.solidus_k,
        boiling_k=row.boiling_k,
        heading_rad=row.heading_rad,
        lead_s=row.lead_s,
        time_s=row.time_s + row.lead_s,
        issued_s=row.issued_s,
    )


def plan_in_force(rows: Sequence[Any]) -> pd.DataFrame:
    """Vectors in force among rows (plan_time_s, sequence, source, plan_start_s, *SCAN_VECTORS) in the order of plans.

    A later plan replaces an earlier one from its first start_s on, so a vector stands when it starts before all of
    the later plans do: walk back through the plans and keep the earliest start seen.
    """
    earliest_s, kept = float("inf"), []
    for _, plan in groupby(reversed(rows), key=lambda row: tuple(row[:3])):
        vectors = list(plan)
        kept += [tuple(row[4:]) for row in vectors if row[5] < earliest_s]
        earliest_s = min(earliest_s, vectors[0][3])
    return table(sorted(kept, key=lambda row: (row[1], row[0])), SCAN_VECTORS)
