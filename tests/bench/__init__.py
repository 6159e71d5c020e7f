"""Benchmarks: figures to be quoted with their machine, not tests that may fail."""
