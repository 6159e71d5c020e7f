"""Packing: messages and arrays as bytes, rows as DataFrames. Nothing here knows of a database."""

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from twin.forecast import Field
from twin.observation import AnyMessage, Frame, Message, Parameters, parts_of
from twin.store.port import StoreCorruptError

SAMPLE_COLUMNS = ("sample_time_s", "x_m", "y_m", "z_m", "beam_power_w")
_MANY_SAMPLES = 256  # from which columns are packed as numbers
_LONG_PAYLOAD = 1024  # bytes from which zlib pays
_LITTLE = {"float32": "<f4", "uint16": "<u2"}
FIELD_STEP_K = 0.5  # of a stored temperature
FIELD_ERROR_K = FIELD_STEP_K / 2  # the most by which a stored finite temperature is off
STEPS = "u2 steps"  # `dtype` of a field in steps; else it is numpy's name of a float
_STEPS_END_K = 65535 * FIELD_STEP_K
_messages: TypeAdapter[Any] = TypeAdapter(AnyMessage)

# Columns of what a store returns, and their types. Numbers that may be missing are floats: NaN.
MACHINES = {
    "machine": object, "site": object, "status": object, "origin": object, "process": object, "time_factor": float,
    "build": object, "layer": float, "last_sent_s": float, "last_time_s": float,
}  # fmt: skip
MELT_POOL = {
    "frame": int, "issued_s": float, "time_s": float, "lead_s": float, "length_m": float, "width_m": float,
    "depth_m": float, "x_m": float, "y_m": float, "beam_power_w": float, "layer": int, "outcome": object,
    "operator": object, "length_low_m": float, "length_high_m": float, "width_low_m": float, "width_high_m": float,
    "depth_low_m": float, "depth_high_m": float, "coverage": float, "credibility": float,
}  # fmt: skip
ABSORBED = {"absorptivity": "absorptivity", "nominal_absorptivity": "nominal", "camera_frames": "camera_frames"}
ABSORPTIVITY = {
    "frame": int, "layer": int, "time_s": float, "issued_s": float, "absorptivity": float,
    "nominal_absorptivity": float, "camera_frames": int, "ledger_defect": float, "outcome": object, "operator": object,
}  # fmt: skip
CALIBRATION = {
    "quantity": object, "time_s": float, "made_s": float, "nominal": float, "estimate": float, "low": float,
    "high": float, "signals": object, "frames": int, "identifiable": bool, "consistent": bool, "followed": bool,
}  # fmt: skip
SIGNALS = {"time_s": float, "name": object, "value": float, "layer": int}
SCAN_VECTORS = {
    "vector": int, "start_s": float, "x0_m": float, "y0_m": float, "x1_m": float, "y1_m": float, "z_m": float,
    "beam_power_w": float, "scan_speed_m_per_s": float, "dwell_s": float,
}  # fmt: skip
PARAMETERS = {"time_s": float, "x_m": float, "y_m": float, "z_m": float, "beam_power_w": float}
ALERTS = {
    "machine": object, "build": object, "kind": object, "occurrence": int, "severity": object, "layer": int,
    "x_m": float, "y_m": float, "first_seen_s": float, "last_seen_s": float, "evidence": object, "action": object,
    "cleared_s": float, "count": int, "acknowledged_s": float, "acknowledged_by": object, "acknowledged_note": object,
    "shelved_until_s": float, "shelved_by": object, "shelved_note": object,
}  # fmt: skip
ALERT_ACTS = {
    "id": int, "machine": object, "build": object, "kind": object, "occurrence": int, "act": object, "by": object,
    "at_s": float, "note": object, "until_s": float,
}  # fmt: skip
REJECTS = {
    "received_s": float, "topic": object, "payload": object, "reason": object, "code": object, "digest": object,
    "reingested_s": float,
}  # fmt: skip
SKIPPED = {"noticed_s": float, "build": object, "layer": int, "first_frame": int, "last_frame": int}
LIVES = {
    "noticed_s": float, "source": object, "birth": int, "channel": object, "sequence": int, "reason": object,
}  # fmt: skip
FRAMES = {
    "time_s": float, "camera": object, "layer": int, "quantity": object, "unit": object, "rows": int, "columns": int,
    "pixel_m": float, "exposure_s": float, "source": object, "sequence": int,
}  # fmt: skip
GAPS = {"noticed_s": float, "source": object, "channel": object, "first_sequence": int, "last_sequence": int}


NOMINALS: dict[str, type] = {
    "machine": object, "build": object, "material": object, "beam_diameter_m": float, "preheat_k": float,
    "nominal_beam_power_w": float, "nominal_scan_speed_m_per_s": float, "hatch_spacing_m": float,
    "layer_thickness_m": float,
}  # fmt: skip


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


def pack_message(message: Message, said: bytes = b"") -> tuple[str, bytes]:
    """(encoding, payload) of a message: its JSON, compressed where it is long. Floats survive exactly.

    A picture is kept in `frames`, so here it stands as the digest of its pixels. `said`: the message as it came; short
    JSON is kept as it is.
    """
    if said.startswith(b"{") and len(said) < _LONG_PAYLOAD and not isinstance(message, Frame):
        return "json", said
    if isinstance(message, Frame):
        return "json+digest", json.dumps(_without_pixels(message)).encode()
    if isinstance(message, Parameters) and len(message.x_m) >= _MANY_SAMPLES:
        return "samples", _pack_many(message)
    payload = message.model_dump_json().encode()
    return ("json", payload) if len(payload) < _LONG_PAYLOAD else ("json+zlib", zlib.compress(payload, 1))


def unpack_message(encoding: str, payload: bytes) -> Any:
    """The message that `pack_message` took; of a picture a dict with the digest of its pixels."""
    if encoding == "json+digest":
        return json.loads(payload)
    if encoding == "samples":
        return _unpack_many(payload)
    return _messages.validate_json(payload if encoding == "json" else zlib.decompress(payload))


def _pack_many(message: Parameters) -> bytes:
    """Length and JSON of what is not a column, then the columns, bytes of one rank together: much faster than JSON."""
    head = message.model_dump_json(exclude=set(SAMPLE_COLUMNS)).encode()
    columns = np.frombuffer(pack_samples(message), dtype=np.uint8).reshape(-1, 8)
    return len(head).to_bytes(4, "little") + head + zlib.compress(columns.T.tobytes(), 1)


def _unpack_many(payload: bytes) -> Parameters:
    end = 4 + int.from_bytes(payload[:4], "little")
    ranks = np.frombuffer(zlib.decompress(payload[end:]), dtype=np.uint8).reshape(8, -1)
    columns = np.ascontiguousarray(ranks.T).view("<f8").reshape(len(SAMPLE_COLUMNS), -1).tolist()
    return Parameters(**json.loads(payload[4:end]), **dict(zip(SAMPLE_COLUMNS, columns, strict=True)))


def same_content(a: Any, b: Message) -> bool:
    """Whether two messages say the same; when they were sent does not count, a publisher may send again.

    `a` may be what `unpack_message` gave.
    """
    if isinstance(b, Frame):
        known = a if isinstance(a, dict) else _without_pixels(a)
        return bool(known | {"sent_s": None} == _without_pixels(b) | {"sent_s": None})
    return a.model_copy(update={"sent_s": None}) == b.model_copy(update={"sent_s": None})


def _without_pixels(message: Frame) -> dict[str, Any]:
    said = message.model_dump(exclude={"value"})
    return said | {"pixels_sha256": digest(message.dtype.encode(), message.value.tobytes())}


def content_digest(message: Message) -> str:
    """A name for what a message says, whenever it was sent."""
    plain = message.model_copy(update={"sent_s": None})
    return digest(
        json.dumps(_without_pixels(plain)).encode() if isinstance(plain, Frame) else plain.model_dump_json().encode()
    )


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
    """The columns of a field snapshot, no temperature of which is off by more than `FIELD_ERROR_K`.

    Temperatures from 0 to 32 767 K are kept in steps of 0.5 K: differences along the scan, low and high bytes apart,
    then zlib: less room than float16 takes, which is good to 1 K. What does not fit, or is not finite, is float32.
    """
    temperature_k = np.asarray(field.temperature_k, dtype=np.float64)
    finite = np.isfinite(temperature_k)
    fits = finite.all() and temperature_k.min(initial=0.0) >= 0.0 and temperature_k.max(initial=0.0) <= _STEPS_END_K
    single = temperature_k.astype("<f4")
    content = _to_steps(temperature_k) if fits else single.tobytes()
    stored = np.rint(temperature_k / FIELD_STEP_K) * FIELD_STEP_K if fits else single
    compressed = zlib.compress(content, 1)
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
        "dtype": STEPS if fits else "<f4",
        "rounding_k": float(np.abs(stored[finite] - temperature_k[finite]).max(initial=0.0)),
        "checksum": zlib.crc32(compressed),
        "temperature_k": compressed,
    }


def _to_steps(temperature_k: np.ndarray) -> bytes:
    steps = np.rint(temperature_k / FIELD_STEP_K).astype("<u2")
    along = np.diff(steps, axis=0, prepend=np.zeros_like(steps[:1]))  # modulo 65,536, and so is its inverse
    return np.ascontiguousarray(along).view(np.uint8).reshape(-1, 2).T.tobytes()


def _from_steps(content: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    along = np.ascontiguousarray(np.frombuffer(content, np.uint8).reshape(2, -1).T).view("<u2").reshape(shape)
    return np.cumsum(along, axis=0, dtype="<u2").astype(np.float32) * np.float32(FIELD_STEP_K)


def unpack_field(row: Any) -> Field:
    """The field of a row of `fields`; the temperature comes back as float32."""
    if zlib.crc32(row.temperature_k) != row.checksum:
        raise StoreCorruptError(
            f"the field of forecast {row.forecast_id} at lead {row.lead_s} s does not match its checksum"
        )
    axes_m = np.frombuffer(row.axes_m, dtype="<f8")
    content, shape = zlib.decompress(row.temperature_k), (row.nx, row.ny, row.nz)
    stepped = row.dtype == STEPS
    temperature_k = _from_steps(content, shape) if stepped else np.frombuffer(content, row.dtype).reshape(shape)
    return Field(
        x_m=axes_m[: row.nx],
        y_m=axes_m[row.nx : row.nx + row.ny],
        z_m=axes_m[row.nx + row.ny :],
        temperature_k=temperature_k.astype(np.float32),
        solidus_k=row.solidus_k,
        boiling_k=row.boiling_k,
        heading_rad=row.heading_rad,
        lead_s=row.lead_s,
        time_s=row.time_s + row.lead_s,
        issued_s=row.issued_s,
    )


def pack_frame(message: Frame) -> dict[str, Any]:
    """The columns of a picture's row that come from its message; no pixel is rounded."""
    compressed = zlib.compress(np.ascontiguousarray(message.value, dtype=_LITTLE[message.dtype]).tobytes(), 1)
    columns = message.model_dump(exclude={"version", "kind", "value"})
    return columns | {"unit": plain_text(message.unit), "checksum": zlib.crc32(compressed), "value": compressed}


def unpack_frame(row: Any) -> Frame:
    """The message of a row of `frames`."""
    if zlib.crc32(row.value) != row.checksum:
        raise StoreCorruptError(f"picture {row.sequence} of {row.source} {row.camera} does not match its checksum")
    columns = {name: value for name, value in row._mapping.items() if name in Frame.model_fields}
    pixels = np.frombuffer(zlib.decompress(row.value), dtype=_LITTLE[row.dtype]).astype(row.dtype, copy=False)
    return Frame(**columns | {"source": parts_of(row.source)[0], "value": pixels})


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
