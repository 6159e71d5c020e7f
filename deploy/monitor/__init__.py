"""What a running twin says of itself: structured logs, metrics, and whether it is ready. It changes nothing."""
