"""Regime: what kind of melt pool it is, with how much margin: keyhole, lack of fusion, balling."""

import math

from operators.reference.rule import RULE
from twin.forecast import Regime
from twin.process import Process

DEEP_KEYHOLE = 6.0  # keyhole number above which pores may be left behind (Gan 2021)
BALLING = 7.6  # advisory: the longest good track of AMB2018-02 is 7.5 widths long
PACKING = 0.55  # share of a powder layer that is metal


def regime(boiling_number: float) -> Regime:
    """conduction while conduction alone would leave the surface below RULE.calm times its boiling point, keyhole from
    RULE.boiling times on, transition between.

    The two limits bracket the onset in Simonds' absorptances (316L, a standing spot); they hold for the six cases of
    AMB2018-02 (1.08 to 1.30 in conduction, 2.5 to 2.9 with a keyhole), which did not set them.
    """
    if boiling_number < RULE.calm:
        return "conduction"
    return "keyhole" if boiling_number >= RULE.boiling else "transition"


def keyhole_number(process: Process, beam_power_w: float, scan_speed_m_per_s: float) -> float:
    """Ke = eta P/((Tl - T0) pi rho cp sqrt(alpha v r0^3)), r0 half the D4-sigma diameter (Gan 2021).

    eta = max(A_min, .7 (1 - exp(-.6 Ke_m Ld))), Ke_m = Ke with eta = A_min, Ld = sqrt(alpha/(v r0)). The floor is ours:
    without it eta falls below the absorptivity of a flat surface in conduction. 0 without power or speed.
    """
    if beam_power_w <= 0 or scan_speed_m_per_s <= 0:
        return 0.0
    material, alpha, r0 = process.material, process.diffusivity_m2_per_s, 0.5 * process.beam_diameter_m
    heat = process.temperature_k_rise * math.pi * material.density_kg_per_m3 * material.specific_heat_j_per_kg_k
    per_eta = beam_power_w / (heat * math.sqrt(alpha * scan_speed_m_per_s * r0**3))
    diffusion_length = math.sqrt(alpha / (scan_speed_m_per_s * r0))
    deepened = 0.7 * (1.0 - math.exp(-0.6 * material.minimum_absorptivity * per_eta * diffusion_length))
    return max(material.minimum_absorptivity, deepened) * per_eta


def lack_of_fusion(hatch_spacing_m: float, layer_thickness_m: float, width_m: float, depth_m: float) -> float:
    """(h/W)^2 + (t/D)^2: above 1 neighbouring tracks leave unmelted metal between them (Tang 2017).

    Of single sizes; with scatter take low quantiles of width and depth, not means. Infinite where nothing melts.
    """
    if width_m <= 0 or depth_m <= 0:
        return math.inf
    return (hatch_spacing_m / width_m) ** 2 + (layer_thickness_m / depth_m) ** 2


def balling(length_m: float, width_m: float) -> float:
    """L/W over BALLING: a long narrow pool breaks into drops (Plateau and Rayleigh put the limit at pi for a free
    cylinder of melt; good tracks on a plate reach 7.5). An advisory: it does not separate labelled tracks."""
    return length_m / width_m / BALLING if width_m > 0 else 0.0


def remelted_m(depth_m: float, layer_thickness_m: float) -> float:
    """How deep a melt pool reaches into the plate below a powder layer, which melts down to PACKING of its
    thickness."""
    return max(0.0, depth_m - PACKING * layer_thickness_m)
