"""Laws of who may see the page."""
