"""Beam: how the laser's power is spread over the surface, and how deep it is put.

A beam is a sum of Gaussian spots, so that every shape is integrated exactly over cells and has the same linear
response. All have D4-sigma = 1 diameter. The source falls linearly to nothing at its depth D and narrows on the way,

    dq/dz ~ (1 - z/D),   sigma(z) = sigma (1 - NARROWING z/D),

wide at the top and narrow below: the wine glass of a keyhole. A surface source has D = 0.
"""

import math
from typing import Literal, get_args

import numpy as np

BeamShape = Literal["gaussian", "top hat", "ring"]
BEAM_SHAPES: tuple[str, ...] = get_args(BeamShape)
NARROWING = 0.4
SIGMA = 0.25  # standard deviation of the beam in diameters: D4-sigma = 4 sigma
RING = 0.3  # radius of the ring in diameters; 12 spots around it


def spots(shape: BeamShape) -> np.ndarray:
    """Rows (y, x, sigma, share) of the Gaussian spots of a beam; second moments are 1/16 d^2 in x and in y."""
    if shape == "gaussian":
        return np.array([[0.0, 0.0, SIGMA, 1.0]])
    if shape == "ring":
        turn = 2 * math.pi * np.arange(12) / 12
        sigma = math.sqrt(SIGMA**2 - RING**2 / 2)
        return np.stack([RING * np.sin(turn), RING * np.cos(turn), np.full(12, sigma), np.full(12, 1 / 12)], axis=1)
    if shape == "top hat":  # a hexagonal patch of 19: flat within 1 %, its edge as soft as a spot
        rows = [(a, b) for a in range(-2, 3) for b in range(-2, 3) if abs(a + b) <= 2]
        y = np.array([math.sqrt(3) / 2 * b for _, b in rows])
        x = np.array([a + b / 2 for a, b in rows])
        step = SIGMA / math.sqrt(np.mean(x**2) + 0.25)
        return np.stack([step * y, step * x, np.full(19, 0.5 * step), np.full(19, 1 / 19)], axis=1)
    raise ValueError(f"beam shape must be gaussian, top hat or ring, got {shape!r}")
