"""Files of others: opened with care, before anything in them is believed. Nothing here knows what a file means."""
