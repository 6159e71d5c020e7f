"""The page Models: cards, what may be claimed of each, and who let which serve where."""

from ui.pages.models.page import PAGE

__all__ = ["PAGE"]
