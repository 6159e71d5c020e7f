"""The laws of a judgement: what is not calibrated is said, evidence is in the user's units, and a band stands only
where it would hold."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from operators.melt_pool.earlier import EARLIER
from operators.melt_pool.recent import RECENT
from operators.melt_pool.trajectories import BOX
from operators.operator import Look
from twin.forecast import Outcome
from twin.material import IN625
from twin.process import Process
from twin.trust import ALARM, Setting, judge, judged
from twin.trust.bands import mondrian
from twin.trust.calibrated import LEAST, SCORES, Calibrated, Uncalibrated, calibrated, group_of, save
from twin.trust.conformal import Combination
from twin.trust.difficulty import Difficulty, features_of
from twin.trust.envelope import Beyond, beyond, distance, numbers
from twin.trust.features import Cloud

TOKENS, TOLD = 6, 4
CODE = TOLD + len(RECENT) + len(EARLIER) + TOKENS
HEAT = slice(-TOKENS - len(EARLIER), -TOKENS)
MOST = np.array([0.5, 0.4, 0.3, 0.2, 0.1])  # heat, theta
USUAL = np.stack([[0.5, 0.6, 0.7, 0.8, 0.9], MOST])
CARD = {"name": "a-card", "sha256": "of its weights"}
ENVELOPE = {name: list(bounds) for name, bounds in BOX.items()}
PROCESS = Process(IN625, 100e-6)
SETTING = Setting(PROCESS, 195.0, 0.8, "conduction", ENVELOPE)


def codes(count: int, seed: int = 0) -> np.ndarray:
    """(count, 2, CODE) of two leads, steady."""
    found = np.random.default_rng(seed).normal(size=(count, 2, CODE)).astype(np.float32)
    found[:, :, TOLD : TOLD + len(RECENT)] = np.array([1, 1, 0, 0, 1, 0, 1, 1], dtype=np.float32)
    rng = np.random.default_rng(seed + 1)
    some = rng.uniform(size=(count, 1, len(EARLIER))) > USUAL[0]
    found[:, :, HEAT] = np.where(some, MOST * rng.uniform(0.1, 1.0, some.shape), 0.0)
    return found


@pytest.fixture
def known() -> Calibrated:
    rng, encoded = np.random.default_rng(1), codes(1200)
    sizes = rng.uniform(0.5, 2.0, (1200, 2, 3))
    hard = np.exp(0.5 * encoded[..., -1:])
    errors = np.abs(rng.normal(0.0, 0.02, (1200, 2, 4)) * hard)
    rows = features_of(encoded, sizes)
    difficulty = Difficulty.fitted(rows[:200].reshape(-1, rows.shape[-1]), errors[:200].reshape(-1, 4))
    cloud = Cloud.of(encoded[:200].reshape(-1, CODE)[:, -TOKENS:].astype(float))
    bare = Calibrated(
        cloud, difficulty, Combination((), np.zeros((0, 0))), {}, 0.9, TOKENS, np.ones((2, 2, 2)), USUAL, {}
    )
    expected = bare.expected(encoded[200:], sizes[200:])
    scores = [bare.scores(e, h) for e, h in zip(encoded[200:], expected, strict=True)]
    rest = {"envelope": rng.uniform(-0.2, -0.05, 1000), "place": np.full(1000, 0.25), "power": np.full(1000, 0.05)}
    table = np.stack(
        [rest[n] if n in rest else np.array([s[n] for s in scores]) for n in SCORES], axis=1
    )  # fmt: skip
    score = (errors[200:] / expected).max(1)
    groups = np.array(["conduction, steady"] * 1000)
    reach = {name: mondrian(score[:, k], groups, 0.9) for k, name in enumerate(("length", "width", "depth", "field"))}
    return Calibrated(cloud, difficulty, Combination(SCORES, table), reach, 0.9, TOKENS, np.ones((2, 2, 2)), USUAL, {})


def looks(encoded: np.ndarray) -> list[Look]:
    return [Look(np.zeros((2, 2, 2)), 0.0, 0.0, 0.0, encoded=code) for code in encoded]


SIZES = np.array([[2.0, 1.2, 0.5], [2.1, 1.3, 0.6]])


def told(known: Calibrated, monkeypatch: pytest.MonkeyPatch, encoded: np.ndarray, **fields: Any) -> judge.Judgement:
    monkeypatch.setattr(judge, "calibrated", lambda card: known)
    whole: dict[str, Any] = {"setting": SETTING, "outcome": Outcome(), "followed": None} | fields
    return judged(CARD, whole["setting"], looks(encoded), SIZES, whole["outcome"], whole["followed"])


def test_what_was_never_calibrated_is_said_and_has_no_band() -> None:
    found = judged({"name": "none-such", "sha256": "x"}, SETTING, looks(codes(1)[0]), SIZES, Outcome())
    assert (found.outcome.kind, found.outcome.which) == ("ok", "not calibrated")
    assert str(found.outcome) == "ok, not calibrated"
    assert found.evidence == "not calibrated: no none-such-trust.json"
    assert (found.credibility, found.bands) == (None, (None, None))


def test_an_operator_without_weights_claims_nothing_and_is_not_blamed() -> None:
    found = judged({"name": "reference"}, SETTING, looks(codes(1)[0]), SIZES, Outcome())
    assert found.outcome == Outcome()
    assert (found.evidence, found.bands) == ("", (None, None))


def test_a_calibration_comes_back_as_it_was_and_is_tied_to_its_weights(known: Calibrated, tmp_path: Path) -> None:
    path = save(known, CARD, tmp_path)
    again = calibrated(CARD, tmp_path)
    assert isinstance(again, Calibrated)
    encoded = codes(1, 9)[0]
    np.testing.assert_allclose(again.expected(encoded, SIZES), known.expected(encoded, SIZES), rtol=1e-4)
    assert again.reach == known.reach
    other = calibrated({**CARD, "sha256": "of others"}, tmp_path)
    assert isinstance(other, Uncalibrated)
    assert other.reason == "a-card-trust.json is of other weights"
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / path.name).write_text(json.dumps(json.loads(path.read_text()) | {"sha256": "0"}))
    (broken / "a-card-trust.safetensors").write_bytes(path.with_suffix(".safetensors").read_bytes())
    assert isinstance(calibrated(CARD, broken), Uncalibrated), "arrays that are not the ones described"


def test_a_calibration_of_an_earlier_version_is_none(known: Calibrated, tmp_path: Path) -> None:
    path = save(known, CARD, tmp_path)
    arrays = path.with_suffix(".safetensors")
    kept = load_file(arrays)
    save_file({name: kept[name] for name in kept if name != "usual"}, arrays)
    digest = hashlib.sha256(arrays.read_bytes()).hexdigest()
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": digest}))
    found = calibrated(CARD, tmp_path)
    assert isinstance(found, Uncalibrated)
    assert found.reason == "a-card-trust.safetensors lacks usual: made by an earlier version"


def test_a_forecast_in_distribution_has_a_p_value_and_a_band_at_every_lead(
    known: Calibrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = told(known, monkeypatch, codes(1, 3)[0])
    assert found.outcome == Outcome()
    assert ALARM < (found.credibility or 0) <= 1
    assert found.strangest in SCORES
    for band, size in zip(found.bands, SIZES, strict=True):
        assert band is not None
        assert band.coverage == 0.9
        assert band.low.length_m < size[0] * 100e-6 < band.high.length_m
        assert band.low.depth_m < size[2] * 100e-6 < band.high.depth_m


def test_bands_hold_and_false_alarms_are_as_rare_as_promised(
    known: Calibrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = codes(600, 7)
    found = [told(known, monkeypatch, each) for each in encoded]
    alarms = np.mean([f.outcome.kind == "unfamiliar" for f in found])
    assert alarms <= ALARM + 4 * np.sqrt(ALARM / 600)
    assert np.mean([(f.credibility or 0) <= 0.2 for f in found]) == pytest.approx(0.2, abs=0.1)


@pytest.mark.parametrize(
    ("changes", "followed", "kind", "which", "says"),
    [
        (40.0, {}, "unfamiliar", "encoder features", "99 of 100 within"),
        (
            0.0,
            {"place": 3.0, "power": 0.05},
            "off_plan",
            "beam place against its plan",
            "beam 0.0003 m from where it was",
        ),
        (0.0, {"place": 0.25, "power": 0.3}, "off_plan", "beam power against its plan", "beam power 30% off its plan"),
    ],
)
def test_what_fires_is_named_with_how_much_and_no_band_is_claimed(
    known: Calibrated, monkeypatch: pytest.MonkeyPatch, changes: float, followed: dict[str, float], kind: str,
    which: str, says: str,
) -> None:  # fmt: skip
    encoded = codes(1, 4)[0]
    encoded[:, -TOKENS:-1] += changes
    found = told(known, monkeypatch, encoded, followed=followed)
    assert (found.outcome.kind, found.outcome.which) == (kind, which)
    assert says in found.evidence
    assert (found.credibility or 1) <= known.combination.least <= ALARM
    assert found.bands == (None, None)


def test_more_heat_of_earlier_vectors_than_was_checked_is_told_in_kelvin(
    known: Calibrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = codes(1, 4)[0]
    assert told(known, monkeypatch, encoded).outcome.kind == "ok"
    encoded[1, HEAT] = [0.1, 0.02, 0.0, 0.0, 0.9]  # of the last lead alone, within ROOM of what was seen
    assert told(known, monkeypatch, encoded).outcome.kind == "ok"
    encoded[1, HEAT] = [0.1, 0.02, 0.0, 0.0, 1.2]
    found = told(known, monkeypatch, encoded)
    rise = PROCESS.temperature_k_rise
    assert found.outcome == Outcome("unfamiliar", "heat of earlier vectors", pytest.approx(1.2 * rise), "K")
    assert found.evidence == (
        f"what the beam left 12.8 mm of travel ago and more keeps its place {1.2 * rise:.0f} K warmer; "
        f"10.00% of what was checked had such heat, {0.1 * rise:.0f} K at most"
    )
    never = replace(known, usual=np.stack([np.ones(len(EARLIER)), np.full(len(EARLIER), LEAST)]))
    found = told(never, monkeypatch, encoded)
    assert found.evidence.endswith(f"{1.2 * rise:.0f} K warmer; none of what was checked had such heat")
    assert found.bands == (None, None)


def test_heat_of_an_age_that_none_had_is_stranger_than_any_and_next_to_nothing_is_nothing(known: Calibrated) -> None:
    cold, almost, more = codes(3)
    cold[:, HEAT], almost[:, HEAT], more[:, HEAT] = 0.0, 0.99 * LEAST, [0.0, 0.0, 0.0, 0.0, 2 * LEAST]
    usual = np.stack([[0.5, 0.6, 0.7, 0.8, 1.0], [*MOST[:4], LEAST]])
    never = replace(known, usual=usual)
    assert [float(never.unusual(never.heats(each)).max()) for each in (cold, almost)] == [0.0, 0.0]
    assert never.unusual(never.heats(more)).max() == 1.0
    assert max(never.unusual(never.heats(each)).max() for each in codes(500, 8) if not each[:, HEAT][:, 4].any()) < 1.0


def test_what_is_certain_comes_before_what_is_strange(known: Calibrated, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = Outcome("outside_envelope", "scan speed", 0.5, "m/s")
    setting = Setting(PROCESS, 195.0, 30.0, "conduction", ENVELOPE)
    encoded = codes(1, 4)[0]
    encoded[:, -TOKENS:] += 90.0
    found = told(known, monkeypatch, encoded, outcome=outside, setting=setting)
    assert found.outcome == outside
    assert found.evidence.startswith("scan speed 30 m/s, trained up to 3.")
    assert found.bands == (None, None)
    assert found.credibility == pytest.approx(known.combination.least, abs=2 / 1001), (
        "and how strange it is stands beside"
    )


def test_one_by_one_is_all_at_once(known: Calibrated) -> None:
    encoded, sizes = codes(50, 5), np.tile(SIZES, (50, 1, 1))
    together = known.expected(encoded, sizes)
    for n in range(50):
        alone = known.expected(encoded[n], sizes[n])
        np.testing.assert_allclose(alone, together[n], rtol=1e-12)
        distance_alone = known.cloud.distance(encoded[n][..., -TOKENS:])
        np.testing.assert_allclose(distance_alone, known.cloud.distance(encoded[..., -TOKENS:])[n], rtol=1e-12)


def test_expected_errors_are_those_that_nine_in_ten_stay_below() -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(4000, 5))
    errors = np.abs(rng.normal(size=(4000, 4))) * np.exp(rows[:, :1]) * 0.05
    found = Difficulty.fitted(rows[:2000], errors[:2000])(rows[2000:])
    below = errors[2000:] <= found
    assert below.mean() == pytest.approx(0.9, abs=0.03)
    hard = rows[2000:, 0] > 0
    flat = errors[2000:] <= np.quantile(errors[:2000], 0.9)
    uneven, without = (abs(b[hard].mean() - b[~hard].mean()) for b in (below, flat))
    assert uneven < 0.6 * without, "nearly as often where it is hard"


def test_features_in_distribution_are_one_from_their_mean_whatever_their_units() -> None:
    rng = np.random.default_rng(3)
    mixed = rng.normal(size=(3000, 8)) @ rng.normal(size=(8, 8)) * np.logspace(-3, 3, 8) + 5.0
    cloud = Cloud.of(mixed[:2000])
    assert np.sqrt((cloud.distance(mixed[2000:]) ** 2).mean()) == pytest.approx(1.0, abs=0.1)
    assert cloud.distance(cloud.mean) == pytest.approx(0.0)


def test_a_steady_forecast_is_on_and_even_at_every_lead() -> None:
    encoded = codes(1)[0]
    assert group_of("keyhole", encoded, TOKENS) == "keyhole, steady"
    for name in ("on", "even"):
        other = encoded.copy()
        other[1, TOLD + RECENT.index(name)] = 0.5 if name == "even" else 0.0
        assert group_of("keyhole", other, TOKENS) == "keyhole, changing"


def test_a_number_outside_is_told_as_the_user_set_it() -> None:
    envelope = {"q": [2.0, 80.0], "peclet": [1.2, PROCESS.peclet(1.6)], "depth": [0.1, 9.0]}
    found = beyond(envelope, PROCESS, 195.0, 2.1)
    assert isinstance(found, Beyond)
    assert str(found) == "scan speed 2.1 m/s, trained up to 1.6"
    assert found.outcome == Outcome("outside_envelope", "scan speed", pytest.approx(0.5), "m/s")
    slow = beyond({**envelope, "peclet": [PROCESS.peclet(0.4), 99.0]}, PROCESS, 195.0, 0.1)
    assert str(slow) == "scan speed 0.1 m/s, trained down to 0.4"
    assert beyond(envelope, PROCESS, 195.0, 1.5) is None


def test_the_distance_is_negative_inside_nothing_at_the_edge_and_grows_outside() -> None:
    speeds = np.geomspace(0.2, 6.0, 30)
    edge = 75.0 * PROCESS.diffusivity_m2_per_s / PROCESS.beam_diameter_m
    only = {"peclet": ENVELOPE["peclet"]}
    found = [distance(only, numbers(PROCESS, 195.0, float(v))) for v in speeds]
    assert all((f > 0) == (v > edge) for f, v in zip(found, speeds, strict=True))
    assert distance(only, numbers(PROCESS, 195.0, edge)) == pytest.approx(0.0, abs=1e-9)
    outside = [f for f in found if f > 0]
    assert outside == sorted(outside)
    inside = beyond(ENVELOPE, PROCESS, 195.0, 0.8)
    assert inside is None
    assert distance(ENVELOPE, numbers(PROCESS, 195.0, 0.8)) < 0
