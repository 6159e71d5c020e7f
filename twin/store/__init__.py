"""Store: what happened, kept in SQL by one writer and read by whoever asks. Loads without torch."""
