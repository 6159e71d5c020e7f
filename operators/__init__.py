"""Maps between function spaces for the melt pool, and the classical references they are judged by.

Everything here is dimensionless: lengths by the beam diameter d (D4-sigma), times by d^2/alpha, temperature as
theta = (T - T0)/(T_liquidus - T0), with k, c and alpha of the solid at the solidus. Knows no wire, table or screen;
needs torch, numpy, numba, safetensors, einops and jaxtyping only.
"""
