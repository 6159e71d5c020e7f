"""HDF5 from elsewhere: what it declares is checked before it is read.

Refused: links out of their place (soft and external ones), virtual and externally stored arrays, arrays whose declared
shape is larger than any log's or than what the file stores for it, chunks that are missing (their fill value would be
read as data) and chunks that unpack to more than memory should hold.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ingest.errors import BadSourceError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_SAMPLES = 100_000_000  # of one array: 1,000 s at 100 kHz
MAX_CHUNK_BYTES = 256 << 20
MAX_PACKING = 1000  # declared bytes over stored bytes, of arrays above the next
SMALL_BYTES = 1 << 20
MAX_MEMBERS = 100_000


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What the library raises at a damaged file, as one error of ours."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError) as wrong:
        raise BadSourceError(path, f"is not whole HDF5: {' '.join(str(wrong).split())[:200]}") from wrong


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """The file, for reading. A file that is cut short or no HDF5 is a BadSourceError."""
    import h5py

    with _reading(path):
        file = h5py.File(path, "r", locking=False)
    try:
        yield file
    finally:
        with _reading(path):
            file.close()


def names(path: Path, group: Any) -> list[str]:
    """Names of what a group holds."""
    import h5py

    if not isinstance(group, h5py.Group):
        raise BadSourceError(path, f"{group.name} is an array and not a group")
    with _reading(path):
        if len(group) > MAX_MEMBERS:
            raise BadSourceError(path, f"{group.name} holds {len(group):,} members, more than {MAX_MEMBERS:,}")
        found = list(group)
    if not all(isinstance(name, str) for name in found):
        raise BadSourceError(path, f"{group.name} holds a name that is not UTF-8")
    return found


def member(path: Path, parent: Any, name: str) -> Any | None:
    """What stands at a name below `parent` (steps by `/`), or None. Links out of their place are refused."""
    import h5py

    here = parent
    for step in name.strip("/").split("/"):
        with _reading(path):
            if not isinstance(here, h5py.Group) or step not in here:
                return None
            link = here.get(step, getlink=True)
            place = f"{here.name.rstrip('/')}/{step}"
        if not isinstance(link, h5py.HardLink):
            target = getattr(link, "filename", "") or getattr(link, "path", "")
            raise BadSourceError(path, f"{place} is a link to {target}: links are not followed")
        with _reading(path):
            here = here[step]
    return here


def array(
    path: Path, parent: Any, name: str, *, columns: int | None = None, most: int = MAX_SAMPLES, kinds: str = "fiu"
) -> Any:
    """A numeric array below `parent`, checked and not yet read: (n,), (1, n), (n, 1), or (n, `columns`)."""
    import h5py

    found = member(path, parent, name)
    where = f"{parent.name.rstrip('/')}/{name}"
    if not isinstance(found, h5py.Dataset):
        raise BadSourceError(path, f"{where} is missing" if found is None else f"{where} is not an array")
    with _reading(path):
        dtype, shape = found.dtype, tuple(found.shape or ())
    if dtype.kind not in kinds:
        raise BadSourceError(path, f"{where} has type {dtype}, not a number")
    if columns is None and not (len(shape) == 1 or (len(shape) == 2 and 1 in shape)):
        raise BadSourceError(path, f"{where} has shape {shape}, not one row or column")
    if columns is not None and (len(shape) != 2 or shape[1] != columns):
        raise BadSourceError(path, f"{where} has shape {shape}, not (n, {columns})")
    check_declared(path, found, most)
    return found


def check_declared(path: Path, found: Any, most: int = MAX_SAMPLES) -> None:
    """Refuse an array whose declared size nothing stands behind."""
    check_outside(path, found)
    with _reading(path):
        where, size = found.name, int(np.prod(found.shape, dtype=object))
        stored, declared = found.id.get_storage_size(), size * found.dtype.itemsize
        there = None if found.chunks is None else found.id.get_num_chunks()
    if size > most:
        raise BadSourceError(path, f"{where} declares {size:,} values, more than {most:,}")
    if there is None:
        if stored < declared:
            raise BadSourceError(path, f"{where} declares {declared:,} bytes and stores {stored:,}")
        return
    expected = int(np.prod([-(-n // c) for n, c in zip(found.shape, found.chunks, strict=True)], dtype=object))
    if there != expected:
        raise BadSourceError(path, f"{where} has {there:,} of {expected:,} chunks: the rest was never written")
    if declared > max(SMALL_BYTES, MAX_PACKING * stored):
        raise BadSourceError(path, f"{where} unpacks {stored:,} bytes to {declared:,}: more than {MAX_PACKING} times")


def check_outside(path: Path, found: Any) -> None:
    """Refuse an array that is stored in other files, or whose one chunk would fill the memory."""
    with _reading(path):
        elsewhere = found.is_virtual or bool(found.external)
        chunk_bytes = int(np.prod(found.chunks or (1,), dtype=object)) * found.dtype.itemsize
    if elsewhere:
        raise BadSourceError(path, f"{found.name} is stored in another file: such arrays are not read")
    if chunk_bytes > MAX_CHUNK_BYTES:
        raise BadSourceError(path, f"{found.name} has chunks of {chunk_bytes:,} bytes, more than {MAX_CHUNK_BYTES:,}")


def values(path: Path, dataset: Any, at: Any = ...) -> np.ndarray:
    """The values of a checked array, or those `at` an index."""
    with _reading(path):
        return np.asarray(dataset[at])


def column(path: Path, dataset: Any) -> np.ndarray:
    """A checked array as float64, in one dimension; a number that is not finite is refused with its place."""
    numbers = values(path, dataset).astype(np.float64).reshape(-1)
    finite(path, dataset.name, numbers)
    return numbers


def finite(path: Path, where: str, numbers: np.ndarray) -> None:
    """Refuse numbers that are not finite, with the first one's place."""
    if not np.isfinite(numbers).all():
        at = np.unravel_index(int(np.argmin(np.isfinite(numbers))), numbers.shape)
        raise BadSourceError(path, f"{where}: value {', '.join(map(str, map(int, at)))} is not finite")


def attribute(path: Path, holder: Any, wanted: Sequence[str]) -> Any | None:
    """The first of these attributes that is there, a length-one array as its one value, bytes as text."""
    with _reading(path):
        name = next((name for name in wanted if name in holder.attrs), None)
        value = None if name is None else holder.attrs[name]
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def number(path: Path, holder: Any, wanted: Sequence[str]) -> float | None:
    """The first of these attributes as a finite number above 0, None where there is none."""
    stated = attribute(path, holder, wanted)
    if stated is None:
        return None
    try:
        found = float(stated)
    except (TypeError, ValueError):
        found = 0.0
    if not (np.isfinite(found) and found > 0):
        raise BadSourceError(path, f"the attribute {wanted[0]} is {str(stated)[:40]!r}, not a number above 0")
    return found
