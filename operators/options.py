"""Options: what a command line is asked for, refused in words before anything is made where it cannot be had."""

import argparse
from collections.abc import Callable

import torch


def at_least(least: int) -> Callable[[str], int]:
    """A reader of whole numbers from `least` on, for argparse."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"a whole number of at least {least} is wanted, not {text!r}")
        return int(text)

    return read


def device(text: str) -> str:
    """A device that torch has here: cpu, cuda, cuda:0."""
    try:
        torch.empty(0, device=text)
    except (RuntimeError, AssertionError, NotImplementedError) as failure:
        why = str(failure).splitlines()[0] if str(failure) else type(failure).__name__
        raise argparse.ArgumentTypeError(f"torch has no device {text!r} here: {why}") from failure
    return text


def add_device(parser: argparse.ArgumentParser) -> None:
    """--device: a GPU where there is one."""
    best = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", type=device, default=best, help=f"where torch works; left out: {best}")
