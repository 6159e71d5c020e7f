"""What people do, page by page: each a POST to `/do/NAME` (`ui/doing.py`)."""
