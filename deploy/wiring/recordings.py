"""Recordings: logs of builds as files, into the store or straight to the twin."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.settings import Settings
from ingest.files.bring import Brought
from ingest.files.bring import bring as bring_in
from ingest.readers import Recording, open_source, opened
from ingest.replay import DirectSource
from twin.clock import SystemClock
from twin.store.holdings import Holdings


def open_recording(source: Path, build_file: Path | None = None, run: str = "") -> Recording:
    """A log of a build, read and checked whole."""
    return open_source(source, build_file, run)


@contextmanager
def opened_recording(source: Path, build_file: Path | None = None) -> Iterator[Recording]:
    """A log of a build, packed or not, for as long as it is used."""
    with opened(source, build_file) as recording:
        yield recording


def bring(
    recording: Recording,
    store: Holdings | None,
    settings: Settings,
    dry_run: bool,
    stopped: Callable[[], bool],
    progress: Callable[[Brought], None],
) -> Brought:
    """A recording into the store, by the clock of this computer."""
    return bring_in(recording, store, SystemClock(), settings.site, dry_run=dry_run, stopped=stopped, progress=progress)


def direct_source(recording: Recording, settings: Settings) -> DirectSource:
    """A log as a source, without a broker."""
    return DirectSource(recording, settings.site)
