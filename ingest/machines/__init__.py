"""Simulated machines: pure generators of messages, the same ones every time for the same seed."""
