"""Who may see the page, and who does what on it."""
