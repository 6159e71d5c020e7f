"""What the page Models shows: cards and results as files say them, and what the store says of who serves where."""
