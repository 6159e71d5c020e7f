"""Validation: long comparisons with measurements and published benchmarks, run by hand: `python -m
tests.validation`."""
