"""Pages: each is a layout and the parts that the live feed draws into it."""
