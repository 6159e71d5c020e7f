"""The recipe of the camera operator: mirrored films tell the same, shards are read again, and it ends in a card."""

from pathlib import Path

import numpy as np
import pytest
import torch

from operators import card
from operators.camera.law import NAMES
from operators.camera.reading import Seen
from operators.camera.recipe import NAME, mirrored, train
from operators.camera.samples import made


def test_a_mirrored_film_is_that_of_a_mirrored_path() -> None:
    frames = torch.zeros(1, 2, 8, 12)
    frames[0, 1, 2, 3] = 1.0
    places = torch.tensor([[[2.0, 2.0], [2.2, 3.0], [2.5, 3.5]]])  # the beam stands in the hot cell
    seen = Seen(frames, torch.ones(1, 2), places, torch.ones(1))
    for step in range(4):
        there = mirrored(seen, step)
        y, x = (int(v) for v in there.places[0, -1])
        near = there.frames[0, 1, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        assert near.max() == 1.0
    twice = mirrored(mirrored(seen, 3), 3)
    torch.testing.assert_close(twice.frames, seen.frames)
    torch.testing.assert_close(twice.places, seen.places)


def test_tracks_are_read_again_as_they_were_made(tmp_path: Path) -> None:
    first = made("fit", 2, tmp_path, fields=False, cells=4)
    paths = list(tmp_path.glob("*.npz"))
    written = paths[0].stat().st_mtime_ns
    again = made("fit", 2, tmp_path, fields=False, cells=4)
    assert paths[0].stat().st_mtime_ns == written
    assert np.array_equal(first.surface.numpy(), again.surface.numpy())
    assert first.numbers.shape == (2, len(NAMES))
    assert first.surface.max() > 0.5


@pytest.mark.slow
def test_the_recipe_ends_in_a_card_that_loads(tmp_path: Path) -> None:
    train(3, 3, 1, 2, 3, 1, tmp_path / "work", tmp_path / "out")
    model, told = card.load(NAME, tmp_path / "out")
    assert told["units"] == "operators.melt_pool.scales"
    assert set(told["validation"]["by_seed"][0]["test"]) >= {"with context", "without context", "told"}
    assert not model.training
