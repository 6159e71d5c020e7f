"""What `meltwin doctor` looks at: each check says what it looked at, what it found, and what to do."""
