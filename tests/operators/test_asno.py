"""Laws of the ASNO: samples are independent, forcings count, kernels are the step; a card gives back what was saved."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from operators import card
from operators.melt_pool.asno import Asno, Local

SHAPE = (5, 4, 3)  # x, y, z
CHANNELS = 3


@pytest.fixture(params=[(None, 0), (24, 0), (24, 6)])
def model(request: pytest.FixtureRequest) -> Asno:
    """A small operator with every parameter random: the layers that end it begin at zero and would hide the rest. Of
    one width, wider over space than over time, and with nodes that are corrected one by one."""
    space_width, local = request.param
    sizes = {"width": 16, "heads": 2, "time_layers": 1, "space_layers": 1, "space_width": space_width, "local": local}
    made = Asno(SHAPE[0], SHAPE[1] * SHAPE[2], 6, CHANNELS, **sizes).eval()
    random = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=random))
    return made.requires_grad_(False)


def batch(samples: int = 4) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(3)
    return torch.randn(samples, CHANNELS, *SHAPE, generator=random), torch.randn(samples, 6, generator=random)


def test_an_untrained_operator_gives_the_first_forcing() -> None:
    forcing, condition = batch()
    for local in (0, 6):
        untrained = Asno(SHAPE[0], SHAPE[1] * SHAPE[2], 6, CHANNELS, width=16, heads=2, local=local)
        torch.testing.assert_close(untrained(forcing, condition), forcing[:, 0])


def test_nodes_are_corrected_one_by_one_and_not_in_a_straight_line() -> None:
    """What a node gets in H hangs, with the tokens held, on what would have heated that node alone, and is not linear
    in it: a plateau where metal melts cannot be."""
    random = torch.Generator().manual_seed(5)
    local = Local(CHANNELS, 16, 6)
    with torch.no_grad():
        for parameter in local.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random))
    sections, tokens = torch.randn(2, CHANNELS, 5, 12, generator=random), torch.randn(2, 5, 16, generator=random)
    before = local(sections, tokens)
    assert before.shape == (2, 5, 12)
    once = sections.clone()
    once[0, :, 3, 7] += 1.0
    changed = local(once, tokens) - before
    assert changed[0, 3, 7].abs() > 1e-3
    changed[0, 3, 7] = 0.0
    assert changed.abs().max() < 1e-6
    twice = 2 * once - sections
    assert not torch.allclose(
        local(twice, tokens)[0, 3, 7] - before[0, 3, 7], 2 * (local(once, tokens) - before)[0, 3, 7]
    )
    order = torch.randperm(12, generator=random)
    torch.testing.assert_close(local(sections[..., order], tokens), before[..., order])


def test_a_change_of_one_sample_changes_no_other(model: Asno) -> None:
    forcing, condition = batch()
    before = model(forcing, condition)
    forcing[1] += 1.0
    condition[1] -= 1.0
    after = model(forcing, condition)
    others = [0, 2, 3]
    torch.testing.assert_close(after[others], before[others], rtol=0, atol=1e-6)
    assert (after[1] - before[1]).abs().max() > 1e-2


@pytest.mark.parametrize("channel", range(CHANNELS))
def test_every_forcing_counts(model: Asno, channel: int) -> None:
    forcing, condition = batch()
    before = model(forcing, condition)
    forcing[:, channel] += torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    assert ((model(forcing, condition) - before).abs().amax(dim=(1, 2, 3)) > 1e-4).all()


def test_the_condition_counts(model: Asno) -> None:
    forcing, condition = batch()
    assert (model(forcing, condition + 0.5) - model(forcing, condition)).abs().max() > 1e-4


def test_a_batch_of_one_is_a_row_of_many(model: Asno) -> None:
    forcing, condition = batch()
    many = model(forcing, condition)
    for i in range(len(forcing)):
        torch.testing.assert_close(model(forcing[i : i + 1], condition[i : i + 1])[0], many[i], rtol=1e-5, atol=1e-5)


def test_no_forcing_gives_a_finite_field(model: Asno) -> None:
    forcing, condition = batch()
    assert model(torch.zeros_like(forcing), condition).isfinite().all()


def test_kernels_as_read_are_the_step(model: Asno) -> None:
    """X = H + K_h H + K_f F at any node, by a row of each kernel."""
    forcing, condition = batch()
    field = model(forcing, condition)
    for node in ((0, 0, 0), (3, 2, 1)):
        h, of_h, of_f = model.rows(forcing, condition, node)
        built = h[:, *node] + (of_h * h).sum((1, 2, 3)) + (of_f * forcing[:, 0]).sum((1, 2, 3))
        torch.testing.assert_close(built, field[:, *node], atol=1e-5, rtol=1e-4)
        assert of_h.abs().amin() > 0, "every node counts"


def test_what_is_given_is_not_changed(model: Asno) -> None:
    forcing, condition = batch()
    kept = forcing.clone(), condition.clone()
    model(forcing, condition)
    assert torch.equal(forcing, kept[0])
    assert torch.equal(condition, kept[1])


def test_a_card_gives_back_what_was_saved(model: Asno, tmp_path: Path) -> None:
    forcing, condition = batch()
    model.mean += 0.3
    model.spread *= 2.0
    card.save(tmp_path, "small", model, {"seed": 7})
    loaded, told = card.load("small", tmp_path)
    loaded.requires_grad_(False)
    assert card.names(tmp_path) == ["small"]
    assert (told["name"], told["seed"], told["sizes"]) == ("small", 7, model.sizes)
    assert torch.equal(loaded(forcing, condition), model(forcing, condition))


def test_weights_that_are_not_the_cards_are_refused(model: Asno, tmp_path: Path) -> None:
    card.save(tmp_path, "small", model, {})
    weights = tmp_path / "small.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(card.CardError, match="sha256"):
        card.load("small", tmp_path)


def test_a_missing_card_is_refused_and_those_there_are_named(model: Asno, tmp_path: Path) -> None:
    card.save(tmp_path, "small", model, {})
    with pytest.raises(card.CardError, match="cards there: small"):
        card.load("large", tmp_path)
    (tmp_path / "small.safetensors").unlink()
    with pytest.raises(card.CardError):
        card.load("small", tmp_path)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("{", "cannot be read"),
        ("[]", "no card"),
        ('{"sha256": "0"}', "does not tell sizes"),
        ('{"sizes": {}}', "does not tell sha256"),
        ({"sizes": {"colour": 1}}, "sizes that its weights are not of"),
        ({"sizes": {}}, "sizes that its weights are not of"),
    ],
)
def test_a_card_that_cannot_be_used_is_refused_in_words(
    model: Asno, tmp_path: Path, content: str | dict[str, Any], match: str
) -> None:
    card.save(tmp_path, "small", model, {})
    path = tmp_path / "small.json"
    path.write_text(content if isinstance(content, str) else json.dumps(json.loads(path.read_text()) | content))
    with pytest.raises(card.CardError, match=match):
        card.load("small", tmp_path)
    assert card.names(tmp_path) == (["small"] if "tell sizes" not in match else [])


def test_any_number_of_windows_exports(model: Asno) -> None:
    several = torch.export.Dim("several", min=2, max=64)
    told = torch.export.export(model, batch(2), dynamic_shapes=({0: several}, {0: several}))
    torch.testing.assert_close(told.module()(*batch(7)), model(*batch(7)))
