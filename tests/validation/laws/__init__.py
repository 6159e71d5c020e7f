"""Conservation laws on a periodic line: the laws, their solver and exact solutions, what three suites share."""
