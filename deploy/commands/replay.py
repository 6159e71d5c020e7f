"""`meltwin replay`: a recorded build once more."""


def replay(source: str) -> None:
    """Later."""
