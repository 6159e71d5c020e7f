"""Fault: why a payload is not taken, as one stable word and one line for people."""

from typing import Any, NamedTuple, get_args

from pydantic import ValidationError

from ingest.topics import KINDS
from twin.observation import SCHEMA_VERSION, AnyOf, SignalName

# docs/wire.md says what each means, and a test holds it to that. They are stored: more may come, none changes.
CODES = (
    "oversized", "bad_topic", "wrong_kind", "empty", "truncated", "not_json", "too_deep", "unknown_version",
    "missing_field", "unknown_field", "wrong_unit", "wrong_type", "not_a_number", "out_of_range", "wrong_length",
    "out_of_order", "bad_value", "unknown_content_type", "not_columns", "corrupt", "not_protobuf", "not_supported",
    "not_born", "unknown_alias", "unknown_alert",
)  # fmt: skip
_CODE_OF = {
    "missing": "missing_field", "union_tag_not_found": "missing_field", "union_tag_invalid": "wrong_kind",
    "extra_forbidden": "unknown_field", "finite_number": "not_a_number", "too_long": "wrong_length",
    "too_short": "wrong_length", "wrong_length": "wrong_length", "wrong_unit": "wrong_unit",
    "out_of_order": "out_of_order", "out_of_range": "out_of_range", "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range", "less_than": "out_of_range", "less_than_equal": "out_of_range",
    "int_parsing_size": "out_of_range",
}  # fmt: skip
_UNITS = (
    "m_per_s", "mm_per_s", "m_per_min", "mm_per_min", "m", "mm", "um", "cm", "inch", "s", "ms", "us", "min", "k", "c",
    "f", "w", "kw", "mw", "v", "mv", "rad", "deg",
)  # fmt: skip


def _stem(name: str) -> str:
    """A name without its unit."""
    return next((name[: -len(unit) - 1] for unit in _UNITS if name.endswith(f"_{unit}")), name)


_STEMS = {
    _stem(name)
    for name in {*get_args(SignalName), *(name for kind in get_args(AnyOf) for name in kind.model_fields)}
    if _stem(name) != name
}


class Fault(NamedTuple):
    """A code of `CODES`, and the reason in words."""

    code: str
    reason: str


def one_line(text: str) -> str:
    """ASCII, without line breaks, at most 300 characters, whatever a sender wrote."""
    return " ".join(ascii(text)[1:-1].split())[:300]


def of_validation(wrong: ValidationError, expected: str = "") -> Fault:
    """Why a message does not fit its type. A version that is not ours explains all the rest.

    `expected`: the kind of the topic, where the message said its own.
    """
    every = wrong.errors(include_url=False, include_context=False)
    first = next((each for each in every if _is_version(each)), every[0])
    kind, place = first["type"], ".".join(str(part) for part in first["loc"])
    more = f" (and {len(every) - 1} more)" if len(every) > 1 else ""
    text = f"{place}: {first['msg']}{more}" if place else f"{first['msg']}{more}"
    reason = one_line(text)
    if _is_version(first):
        return Fault("unknown_version", reason)
    if expected and first["loc"] and first["loc"][0] in KINDS and first["loc"][0] != expected:
        return Fault("wrong_kind", f"a {first['loc'][0]} message on the topic of {expected}")
    if kind == "json_invalid":
        return Fault(_why_not_json(first["msg"], first["input"]), reason)
    if kind in ("extra_forbidden", "literal_error") and _is_other_unit(first):
        return Fault("wrong_unit", reason)
    if kind.endswith(("_type", "_parsing")):
        return Fault("wrong_type", reason)
    return Fault(_CODE_OF.get(kind, "bad_value"), reason)


def _is_version(error: Any) -> bool:
    """Whether the fault is a version that is not ours, said by a message of a kind known or unknown."""
    if error["type"].startswith("union_tag") and isinstance(error["input"], dict):
        return error["input"].get("version", SCHEMA_VERSION) != SCHEMA_VERSION
    return bool(error["loc"][-1:] == ("version",) and error["type"] == "literal_error")


def _why_not_json(text: str, payload: Any) -> str:
    if not payload:
        return "empty"
    if "recursion" in text:
        return "too_deep"
    return "truncated" if "EOF" in text else "not_json"


def _is_other_unit(error: Any) -> bool:
    """A name that is right but for its unit: a field `beam_power_kw`, a signal `melt_pool_width_um`, `x` alone."""
    if error["type"] == "literal_error" and error["loc"][-1] != "name":
        return False
    said = error["loc"][-1] if error["type"] == "extra_forbidden" else error["input"]
    return isinstance(said, str) and len(said) <= 64 and _stem(said.lower()) in _STEMS
