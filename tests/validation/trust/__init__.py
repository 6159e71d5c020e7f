"""Whether what the twin claims about its forecasts holds."""
