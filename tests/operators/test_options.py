"""Laws of options: what cannot be had is refused in words, before anything is made."""

import argparse
import sys
from pathlib import Path

import pytest
import torch

from operators import train
from operators.options import add_device, at_least
from tests.bench import bench_forecast
from tests.validation.harness import suite
from tests.validation.radial import suite as radial


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "x", "1e3"])
def test_a_number_too_small_or_none_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="at least 1"):
        at_least(1)(text)


def test_a_number_is_read() -> None:
    assert at_least(1)("12") == 12
    assert at_least(0)("0") == 0


@pytest.mark.parametrize("text", ["nosuch", "cuda:99", "cpu:x", ""])
def test_a_device_that_is_not_there_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_device(parser)
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["--device", text])
    assert ended.value.code == 2
    assert f"torch has no device {text!r} here" in capsys.readouterr().err


def test_a_device_that_is_there_is_taken_and_one_is_chosen() -> None:
    parser = argparse.ArgumentParser()
    add_device(parser)
    assert parser.parse_args(["--device", "cpu"]).device == "cpu"
    assert parser.parse_args([]).device == ("cuda" if torch.cuda.is_available() else "cpu")


def test_commands_make_nothing_before_they_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["train", "melt-pool", "--device", "cuda:99", "--work", str(tmp_path / "work")])
    with pytest.raises(SystemExit):
        train.main()
    for option in ("--jobs", "--seeds"):
        with pytest.raises(SystemExit):
            suite.main([option, "0", "--out", str(tmp_path / "out")], ["lorenz"])
    with pytest.raises(SystemExit):
        radial.main(["--seeds", "0", "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit):
        bench_forecast.main(["--repeats", "0", "--out", str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert said.count("a whole number of at least 1 is wanted, not '0'") == 4
    assert "torch has no device 'cuda:99' here" in said
    assert list(tmp_path.iterdir()) == []
