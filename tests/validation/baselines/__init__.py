"""Baselines: what the operators are held against. Each takes (geometry, inputs, outputs, width) and maps the fields
given at points to the fields wanted there; more width is more parameters. `Pod` is built from a march instead."""
