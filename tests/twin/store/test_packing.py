"""Packing: a field comes back within the stated error, whatever it holds, and takes less room than float16."""

import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.contracts import store_cases as case
from twin.store.packing import FIELD_ERROR_K, STEPS, pack_field, unpack_field
from twin.store.port import StoreCorruptError

SHAPES = arrays.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=6)


def round_trip(temperature_k: np.ndarray) -> tuple[dict[str, object], np.ndarray]:
    packed = pack_field(case.field(temperature_k))
    row = SimpleNamespace(**packed, forecast_id=1, lead=0, machine="m1", time_s=0.0, issued_s=0.0)
    found = unpack_field(row).temperature_k
    assert found.dtype == np.float32
    return packed, found


@settings(max_examples=200, deadline=None)
@given(arrays.arrays(np.float64, SHAPES, elements=st.floats(0.0, 32767.0)))
def test_temperatures_are_off_by_at_most_what_is_stated(temperature_k: np.ndarray) -> None:
    packed, found = round_trip(temperature_k)
    assert packed["dtype"] == STEPS
    error_k = np.abs(found.astype(np.float64) - temperature_k).max()
    assert error_k <= FIELD_ERROR_K
    assert packed["rounding_k"] == error_k


@settings(max_examples=100, deadline=None)
@given(arrays.arrays(np.float64, SHAPES, elements=st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf, -np.inf])))
def test_what_is_no_temperature_comes_back_too(temperature_k: np.ndarray) -> None:
    """Negative, far too hot, or no number at all: kept in float32, in which a million kelvin are off by 0.03 K."""
    packed, found = round_trip(temperature_k)
    finite = np.isfinite(temperature_k)
    np.testing.assert_array_equal(found[~finite], temperature_k[~finite].astype(np.float32))
    error_k = np.abs(found[finite].astype(np.float64) - temperature_k[finite]).max(initial=0.0)
    assert error_k <= FIELD_ERROR_K
    assert packed["rounding_k"] == error_k


@pytest.mark.parametrize(("noise_k", "share"), [(0.0, 0.8), (0.3, 0.9)])
def test_a_melt_pool_takes_less_than_in_float16(noise_k: float, share: float) -> None:
    """A hot spot with a tail, smooth, and with the noise that an operator may leave."""
    x, y, z = np.meshgrid(np.linspace(-1, 6, 46), np.linspace(0, 2, 25), np.linspace(0, 1, 16), indexing="ij")
    temperature_k = 300.0 + 2900.0 * np.exp(-np.where(x > 0, 0.3, 3.0) * x**2 - 4 * y**2 - 6 * z**2)
    temperature_k += np.random.default_rng(0).normal(0.0, noise_k, temperature_k.shape)
    packed, _ = round_trip(temperature_k)
    half = zlib.compress(temperature_k.astype("<f2").tobytes(), 1)
    assert len(packed["temperature_k"]) < share * len(half)  # type: ignore[arg-type]


def test_a_changed_byte_is_noticed() -> None:
    packed = pack_field(case.field(np.full((2, 2, 2), 1000.0)))
    packed["temperature_k"] = packed["temperature_k"][:-1] + b"?"
    with pytest.raises(StoreCorruptError):
        unpack_field(SimpleNamespace(**packed, forecast_id=1, lead=0))
