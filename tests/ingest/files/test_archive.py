"""Archives: a good one reads as what it packs; one that leads out, links or explodes writes nothing anywhere."""

import bz2
import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ingest.errors import BadSourceError
from ingest.files import archive
from ingest.files.text import lines
from ingest.readers import open_source, opened
from tests.ingest.readers.logs import BUILD, PEREGRINE, ROWS, scan_path


def packed(folder: Path, kind: str, to: Path) -> Path:
    if kind == "zip":
        with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as file:
            for each in sorted(folder.rglob("*")):
                file.write(each, each.relative_to(folder.parent))
    else:
        with tarfile.open(to, f"w:{kind}") as file:
            file.add(folder, folder.name)
    return to


@pytest.mark.parametrize("kind", ["zip", "", "gz", "bz2", "xz"])
def test_a_packed_build_reads_as_the_build(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    for name in ("0001.txt", "0002.txt"):
        scan_path(folder, [PEREGRINE, *ROWS], name)
    plain = open_source(folder)
    with opened(packed(folder, kind, tmp_path / "whatever.bin")) as recording:
        assert recording.fingerprint == plain.fingerprint
        assert recording.keyed().source == plain.keyed().source
        for a, b in zip(recording.layers, plain.layers, strict=True):
            np.testing.assert_array_equal(np.array(a.path), np.array(b.path))


def test_one_packed_file_and_its_fault(tmp_path: Path) -> None:
    path = scan_path(tmp_path, [PEREGRINE, *ROWS])
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.write(path, "0000007.txt")
    with opened(tmp_path / "a.zip", tmp_path / "build.toml") as recording:
        assert recording.numbers == [7]
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as file:
        file.writestr("0000007.txt", "\n".join([PEREGRINE, "1 2"]) + "\n")
    with (
        pytest.raises(BadSourceError, match=r"b\.zip: 0000007\.txt, line 2: 2 fields"),
        opened(tmp_path / "b.zip", tmp_path / "build.toml"),
    ):
        pass


def zip_of(*members: tuple[str, bytes], mode: int = 0) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in members:
                info = zipfile.ZipInfo(name)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = mode << 16
                file.writestr(info, content)

    return make


def tar_of(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with tarfile.open(path, "w") as file:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, size, link
            file.addfile(info, io.BytesIO(bytes(min(size, 1000))) if size <= 1000 else None)

    return make


def lying_zip(path: Path) -> None:
    """It packs 30 MB and says 10 bytes, in both of its places."""
    zip_of(("a.txt", bytes(30_000_000)))(path)
    raw = path.read_bytes()
    true, false = (30_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    assert raw.count(true) == 2
    path.write_bytes(raw.replace(true, false))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (zip_of(("../evil.txt", b"x")), "leads out"),
        (zip_of(("good.txt", b"x"), ("a/../../evil.txt", b"x")), "leads out"),
        (zip_of(("/tmp/evil.txt", b"x")), "leads out"),
        (zip_of(("..\\evil.txt", b"x")), "leads out"),
        (zip_of(("C:/evil.txt", b"x")), "leads out"),
        (zip_of(("link", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777), "a link or device"),
        (zip_of(("a.txt", b"x"), ("A.txt", b"y")), "there twice"),
        (zip_of(("a.txt", bytes(200_000_000))), "unpacks to 200,000,000 bytes"),
        (lying_zip, "not a whole archive|unpacks to more"),
        (tar_of("../evil.txt", size=3), "leads out"),
        (tar_of("/tmp/evil.txt", size=3), "leads out"),
        (tar_of("a", tarfile.SYMTYPE, link="/etc/passwd"), "a link or device"),
        (tar_of("a", tarfile.LNKTYPE, link="../b"), "a link or device"),
        (tar_of("a", tarfile.CHRTYPE), "a link or device"),
        (tar_of("a", tarfile.FIFOTYPE), "a link or device"),
        (tar_of("a.txt", size=10**13), "unpacks to 10,000,000,000,000 bytes"),
        (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)), "not a whole archive"),
    ],
)
def test_a_bad_archive_writes_nothing(tmp_path: Path, make: Callable[[Path], object], says: str) -> None:
    path, folder = tmp_path / "a.bin", tmp_path / "out" / "inside"
    folder.mkdir(parents=True)
    make(path)
    with pytest.raises(BadSourceError, match=says) as refused:
        archive.unpack(path, folder)
    assert "\n" not in str(refused.value)
    assert [p.name for p in tmp_path.rglob("*evil*")] == []
    assert sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) <= archive.SMALL_BYTES + (1 << 20)
    assert [p for p in folder.rglob("*") if p.is_symlink()] == []


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 5)
    zip_of(*((f"{n}.txt", b"x") for n in range(6)))(tmp_path / "a.zip")
    with pytest.raises(BadSourceError, match="more than 5 members"):
        archive.unpack(tmp_path / "a.zip", tmp_path)


def test_an_archive_is_known_by_its_content(tmp_path: Path) -> None:
    path = scan_path(tmp_path, [PEREGRINE, *ROWS])
    assert not archive.is_archive(path)
    assert not archive.is_archive(tmp_path)
    zip_of(("a", b"x"))(tmp_path / "a.csv")
    assert archive.is_archive(tmp_path / "a.csv")
    with pytest.raises(BadSourceError, match="is an archive"):
        open_source(tmp_path / "a.csv")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"a,b,c\n"))
    assert not archive.is_archive(tmp_path / "b.csv.gz")
    (tmp_path / "c.bz2").write_bytes(bz2.compress(b"nothing"))
    assert not archive.is_archive(tmp_path / "c.bz2")


def test_text_is_bounded(tmp_path: Path) -> None:
    bomb = tmp_path / "a.csv.gz"
    bomb.write_bytes(gzip.compress(b"1,2,3\n" * 10_000_000))
    with pytest.raises(BadSourceError, match="unpacks to more than"):
        for _ in lines(bomb):
            pass
    (tmp_path / "b.csv").write_bytes(b"1" * 3000)
    with pytest.raises(BadSourceError, match="has 3,000 bytes, more than 1,000"):
        next(lines(tmp_path / "b.csv", most=1000))
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(b"1,2,3\n" * 1000)[:-10])
    with pytest.raises(BadSourceError, match="not whole"):
        list(lines(tmp_path / "c.csv.gz"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "begins with nothing"),
        (b"\x00\x01\x02", "begins with"),
        (b"hello world\n", "begins with 'hello world"),
        (b"a,b,c\n1,2,3\n", "csv"),
    ],
)
def test_what_is_nothing_known_says_what_was_found_and_expected(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "build.toml").write_text(BUILD.format(format="csv"))
    (tmp_path / "a.dat").write_bytes(content)
    with pytest.raises(BadSourceError, match=says) as refused:
        open_source(tmp_path / "a.dat")
    assert "\n" not in str(refused.value)
