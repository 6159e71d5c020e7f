"""Laws of the material: enthalpy, temperature and Kirchhoff potential belong together."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.groups import CONSTANT, Groups
from operators.reference.kernels import _fill_phi, _theta

PLAIN = st.builds(
    Groups,
    mushy=st.floats(0.005, 0.4),
    latent=st.floats(1e-6, 1.0),
    k_cold=st.floats(0.2, 2.0),
    k_liquid=st.floats(0.3, 3.0),
    c_cold=st.floats(0.4, 1.5),
    c_liquid=st.floats(0.5, 2.0),
)
TAILED = st.builds(replace, PLAIN, tail=st.floats(0.01, 0.3), late=st.floats(0.01, 0.5))
MATERIALS = PLAIN | TAILED
UNTIMED = settings(deadline=None, max_examples=60)


def phis(g: Groups, h: np.ndarray) -> np.ndarray:
    """Phi of each h, by the kernel that fills a box with it."""
    filled = np.zeros((2, 3, len(h) + 2))
    _fill_phi(filled, h.reshape(1, 1, -1).astype(float), g.short_law())
    return filled[0, 1, 1:-1]


def _phi(h: float, g: Groups) -> float:
    return float(phis(g, np.array([h]))[0])


def conductivity(g: Groups, theta: float) -> float:
    if theta < g.solidus:
        return g.k_cold + (1.0 - g.k_cold) * theta / g.solidus
    if theta < 1.0:
        return 1.0 + (g.k_liquid - 1.0) * (theta - g.solidus) / g.mushy
    return g.k_liquid


def enthalpy(g: Groups, theta: float) -> float:
    """h of theta, by the words of the module: linear c, then its mean and the latent heat, then c of the liquid. In the
    tail h rises evenly, by c of the solid and what freezes late."""

    def sensible(theta: float) -> float:
        return g.c_cold * theta + 0.5 * (1.0 - g.c_cold) * theta**2 / g.solidus

    frozen = g.solidus - g.tail
    if theta < frozen:
        return sensible(theta)
    solid = sensible(g.solidus) + g.late * g.latent
    if theta < g.solidus:
        return sensible(frozen) + (theta - frozen) / g.tail * (solid - sensible(frozen))
    if theta < 1.0:
        return solid + (theta - g.solidus) * (0.5 * (1.0 + g.c_liquid) + (1 - g.late) * g.latent / g.mushy)
    return solid + g.mushy * 0.5 * (1.0 + g.c_liquid) + (1 - g.late) * g.latent + (theta - 1.0) * g.c_liquid


@UNTIMED
@given(MATERIALS)
def test_theta_and_phi_are_continuous_where_phases_meet(g: Groups) -> None:
    law = g.law()
    for h, theta in ((g.h_frozen, g.solidus - g.tail), (g.h_solidus, g.solidus), (g.h_liquidus, 1.0)):
        for side in (-1e-10, 0.0, 1e-10):
            assert _theta(h + side, law) == pytest.approx(theta, abs=1e-8)
        assert _phi(h - 1e-10, g) == pytest.approx(_phi(h + 1e-10, g), abs=1e-8)


@UNTIMED
@given(MATERIALS)
def test_theta_and_phi_rise_with_enthalpy_no_faster_than_the_step_allows(g: Groups) -> None:
    law = g.law()
    h = np.linspace(0.0, 2.5 * g.h_liquidus, 400)
    theta = np.array([_theta(v, law) for v in h])
    phi = phis(g, h)
    assert (np.diff(theta) > 0).all()
    assert (np.diff(phi) > 0).all()
    assert (np.diff(phi) / np.diff(h)).max() <= g.fastest_diffusivity * (1 + 1e-9)


@UNTIMED
@given(MATERIALS, st.floats(0.0, 4.0))
def test_theta_inverts_the_enthalpy(g: Groups, theta: float) -> None:
    assert _theta(enthalpy(g, theta), g.law()) == pytest.approx(theta, abs=2e-6)


@UNTIMED
@given(MATERIALS, st.floats(0.0, 4.0))
def test_phi_is_the_integral_of_conductivity(g: Groups, theta: float) -> None:
    # k is linear between these points: the trapezoid is exact
    ends = [0.0, *[p for p in (g.solidus, 1.0) if p < theta], theta]
    integral = sum(
        0.5 * (b - a) * (conductivity(g, a) + conductivity(g, b)) for a, b in zip(ends[:-1], ends[1:], strict=True)
    )
    assert _phi(enthalpy(g, theta), g) == pytest.approx(integral, abs=5e-6)


def test_constant_properties_are_the_identity() -> None:
    law = CONSTANT.law()
    for h in (-0.1, 0.0, 0.3, 0.97, 1.5, 20.0):
        assert _theta(h, law) == pytest.approx(h, abs=1e-8)
        assert _phi(h, CONSTANT) == pytest.approx(h, abs=1e-8)


@pytest.mark.parametrize("change", [{"mushy": 1.0}, {"latent": 0.0}, {"k_cold": -1.0}, {"c_liquid": float("nan")}])
def test_groups_that_are_no_material_are_refused(change: dict[str, float]) -> None:
    good = {"mushy": 0.04, "latent": 0.2, "k_cold": 0.5, "k_liquid": 1.3, "c_cold": 0.7, "c_liquid": 1.1}
    Groups(**good)
    with pytest.raises(ValueError, match="groups must be positive"):
        Groups(**{**good, **change})


@pytest.mark.parametrize(
    "change", [{"tail": 0.1}, {"late": 0.1}, {"tail": 0.99, "late": 0.1}, {"tail": 0.1, "late": 1.0}]
)
def test_a_tail_that_is_none_is_refused(change: dict[str, float]) -> None:
    good = {"mushy": 0.04, "latent": 0.2, "k_cold": 0.5, "k_liquid": 1.3, "c_cold": 0.7, "c_liquid": 1.1}
    Groups(**good, tail=0.1, late=0.1)
    with pytest.raises(ValueError, match="tail and late"):
        Groups(**good, **change)


def test_vector_follows_the_names() -> None:
    g = Groups(mushy=0.04, latent=0.2, k_cold=0.5, k_liquid=1.3, c_cold=0.7, c_liquid=1.1)
    assert dict(zip(Groups.names(), g.vector(), strict=True)) == pytest.approx(vars(g))
