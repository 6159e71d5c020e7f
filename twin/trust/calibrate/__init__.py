"""Calibration of trust: draws, their fields by the reference, and the file beside the weights that comes of them."""
