"""After a restart the twin follows what the store says of a machine."""

import pandas as pd
import pytest

from deploy import wiring
from tests.contracts import store_cases as case
from twin.store.fake.store import FakeStore
from twin.store.port import Step, StoreUnavailableError


def test_the_newest_estimate_of_a_build_is_taken_up() -> None:
    store = FakeStore()
    assert wiring.estimated(store, "m1", "b1") is None
    rows = [case.forecast(n, calibrated=(case.calibrated(0.3 + n / 100),)) for n in range(4)]
    store.write(Step(forecasts=rows))
    found = wiring.estimated(store, "m1", "b1")
    assert found is not None
    assert found.identifiable
    assert (found.low, found.factor, found.high) == pytest.approx((0.31 / 0.31, 0.33 / 0.31, 0.36 / 0.31))
    assert wiring.estimated(store, "m1", "b2") is None


def test_a_store_that_is_away_while_a_step_is_worked_out_costs_the_estimate_and_not_the_step() -> None:
    class Away(FakeStore):
        def calibration(self, *args: object, **more: object) -> pd.DataFrame:
            raise StoreUnavailableError("locked")

    assert wiring.estimated(Away(), "m1", "b1") is None
