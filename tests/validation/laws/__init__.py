"""Conservation laws: the laws, their solver and exact solutions, and what the suites of them share."""
