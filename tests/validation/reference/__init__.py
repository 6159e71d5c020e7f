"""The reference physics against measurement."""
