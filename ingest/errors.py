"""The mistakes that ingest raises. A bad message is not one of them: it is a value, `Rejected`."""

from pathlib import Path


class IngestError(Exception):
    """Root of the tree. The text is one line that a person can act on."""


class BadSourceError(IngestError):
    """A file or folder cannot be read as what it claims to be. Says the file, the line, and what is wrong."""

    def __init__(self, path: Path | str, reason: str, line: int | None = None) -> None:
        self.path = Path(path)
        self.line = line
        self.reason = reason
        place = f"{path}" if line is None else f"{path}, line {line}"
        super().__init__(f"{place}: {reason}")


class BrokerError(IngestError):
    """The broker does not answer, refuses us, or cannot be started. Says whose setting to change."""
