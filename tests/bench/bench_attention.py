"""How attention grows: one forward and backward pass of an LRSA block and of full attention among so many points, in
time and in memory that the pass adds. Linear shows as a slope of 1 in the logarithms, full attention goes to 2."""

import math
import resource
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from multiprocessing import get_context

import torch
from torch import nn

from operators.nets.attention import Layer
from operators.nets.lrsa import Block
from operators.options import add_device

POINTS = (2_048, 4_096, 8_192, 16_384, 32_768)
WIDTH, HEADS, LATENTS = 64, 4, 64
KINDS: dict[str, Callable[[], nn.Module]] = {
    "lrsa": lambda: Block(WIDTH, HEADS, LATENTS),
    "full": lambda: Layer(WIDTH, HEADS),
}


def once(kind: str, points: int, device: str) -> tuple[float, float]:
    """Seconds of the second of two passes, and the peak of memory above what stood before, in MiB."""
    torch.manual_seed(0)
    block = KINDS[kind]().to(device)
    x = torch.randn(1, points, WIDTH, device=device, requires_grad=True)
    before = _peak_mib(device)
    for _ in range(2):
        began = time.perf_counter()
        block(x).sum().backward()
        if device == "cuda":
            torch.cuda.synchronize()
        took = time.perf_counter() - began
    return took, max(_peak_mib(device) - before, 0.0)


def _peak_mib(device: str) -> float:
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def _alone(kind: str, points: int, device: str) -> tuple[float, float]:
    """In a process of its own, so that a peak is its own."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(once, (kind, points, device))


def slope(points: list[int], values: list[float]) -> float:
    """Of log value over log points, between the last two."""
    return math.log(max(values[-1], 1e-9) / max(values[-2], 1e-9)) / math.log(points[-1] / points[-2])


def main(argv: list[str]) -> int:
    parser = ArgumentParser(prog="tests.bench attention", description="LRSA and full attention against the points.")
    add_device(parser)
    parser.add_argument("--most", type=int, default=POINTS[-1], help="points")
    told = parser.parse_args(argv)
    points = [n for n in POINTS if n <= told.most]
    print("| kind | points | seconds | MiB |\n| --- | --- | --- | --- |")
    for kind in KINDS:
        found = [_alone(kind, n, told.device) for n in points]
        for n, (seconds, mib) in zip(points, found, strict=True):
            print(f"| {kind} | {n:,} | {seconds:.3f} | {mib:.0f} |", flush=True)
        in_time, in_memory = (slope(points, [f[k] for f in found]) for k in (0, 1))
        print(f"{kind}: time goes as points^{in_time:.2f}, memory as points^{in_memory:.2f}", file=sys.stderr)
    return 0
