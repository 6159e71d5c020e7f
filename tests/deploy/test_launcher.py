"""The launcher's laws, on a fake checkout with a fake Python: nothing is installed, every error is one clear line."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "cat", "cksum", "mkdir", "rm", "mv", "tee", "grep", "dirname", "sleep", "chmod", "cp", "touch")

FAKE_PYTHON = """#!/bin/sh
case "$1 $2" in
"-c "*) echo "{version}"; exit {too_old} ;;
"-m venv")
    echo venv >>"$FAKE_LOG"
    [ -z "${{FAKE_VENV_FAILS-}}" ] || exit 1
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"-m pip")
    echo "pip $*" >>"$FAKE_LOG"
    sleep "${{FAKE_PIP_SECONDS:-0}}"
    [ -z "${{FAKE_PIP_SAYS-}}" ] || {{ echo "$FAKE_PIP_SAYS"; exit 1; }} ;;
"-P -m") shift 3; echo "command line: $*" ;;
esac
"""


class Checkout:
    """A folder with the launcher and the two files it reads, and a PATH that holds only what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "checkout with space"
        self.bin = folder / "bin"
        self.log = folder / "calls.log"
        self.root.mkdir()
        self.bin.mkdir()
        for name in ("meltwin", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.root / name)
        for name in TOOLS:
            (self.bin / name).symlink_to(shutil.which(name) or name)

    def add_python(self, name: str = "python3.11", version: str = "3.11.7", path: Path | None = None) -> Path:
        too_old = int(tuple(map(int, version.split(".")))[:2] < (3, 11))
        program = (path or self.bin) / name
        program.write_text(FAKE_PYTHON.format(version=version, too_old=too_old))
        program.chmod(0o755)
        return program

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.root / "meltwin"), *arguments],
            env={"PATH": str(self.bin), "FAKE_LOG": str(self.log), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # as from a terminal: what a shell starts in the background is born deaf to Ctrl-C, and no trap undoes it
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=20)
        return process.returncode, out, err

    def calls(self) -> str:
        return self.log.read_text() if self.log.exists() else ""


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def one_line(err: str) -> str:
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("meltwin: ")
    return lines[0]


def test_no_python_says_how_to_get_one(checkout: Checkout) -> None:
    code, _, err = checkout.run("demo")
    assert code != 0
    assert "no Python found" in one_line(err)
    assert "MELTWIN_PYTHON" in err


def test_old_python_is_named_with_its_version(checkout: Checkout) -> None:
    checkout.add_python("python3", "3.9.2")
    code, _, err = checkout.run("demo")
    assert code != 0
    assert "python3 is 3.9.2" in one_line(err)
    assert not (checkout.root / ".venv").exists()


def test_a_newer_python_is_found_behind_an_old_python3(checkout: Checkout) -> None:
    checkout.add_python("python3", "3.9.2")
    checkout.add_python("python3.12", "3.12.1")
    assert checkout.run("doctor")[:2] == (0, "command line: doctor\n")


def test_meltwin_python_is_taken_even_with_a_space_in_it(checkout: Checkout, tmp_path: Path) -> None:
    folder = tmp_path / "my python"
    folder.mkdir()
    python = checkout.add_python("python", "3.13.0", folder)
    assert checkout.run("doctor", MELTWIN_PYTHON=str(python))[0] == 0
    code, _, err = checkout.run("doctor", "x", MELTWIN_PYTHON="/nowhere/python")
    assert (code, err) == (0, "")  # the environment is ready: no Python is looked for
    shutil.rmtree(checkout.root / ".venv")
    code, _, err = checkout.run("doctor", MELTWIN_PYTHON="/nowhere/python")
    assert code != 0
    assert "MELTWIN_PYTHON=/nowhere/python" in one_line(err)


def test_arguments_reach_the_command_line_as_they_are(checkout: Checkout) -> None:
    checkout.add_python()
    assert checkout.run("replay", "a b.txt", "--speed", "max")[1] == "command line: replay a b.txt --speed max\n"


def test_first_start_installs_with_the_constraints_and_the_second_does_nothing(checkout: Checkout) -> None:
    checkout.add_python()
    _, _, err = checkout.run("demo")
    assert "takes some minutes" in one_line(err)
    assert f"-c {checkout.root}/constraints.txt -e {checkout.root}\n" in checkout.calls()
    first = checkout.calls()
    start = time.perf_counter()
    code, out, err = checkout.run("demo")
    assert time.perf_counter() - start < 0.3
    assert (code, out, err) == (0, "command line: demo\n", "")
    assert checkout.calls() == first


def test_tests_need_the_test_tools_and_the_rest_is_content_with_them(checkout: Checkout) -> None:
    checkout.add_python()
    checkout.run("demo")
    checkout.run("test")
    assert checkout.calls().splitlines()[-1].endswith("[dev]")
    calls = checkout.calls()
    checkout.run("demo")
    checkout.run("test")
    assert checkout.calls() == calls


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_requirements_are_installed(checkout: Checkout, name: str) -> None:
    checkout.add_python()
    checkout.run("demo")
    with (checkout.root / name).open("a") as file:
        file.write("# changed\n")
    calls = checkout.calls()
    checkout.run("demo")
    assert checkout.calls().count("pip -m") == calls.count("pip -m") + 1


def test_a_moved_checkout_is_installed_again(checkout: Checkout, tmp_path: Path) -> None:
    checkout.add_python()
    checkout.run("demo")
    moved = tmp_path / "moved"
    checkout.root.rename(moved)
    checkout.root = moved
    checkout.run("demo")
    assert checkout.calls().count("pip -m") == 2


@pytest.mark.parametrize(
    ("pip_says", "expected"),
    [
        ("NewConnectionError: Failed to establish a new connection", "check the network"),
        ("ERROR: No matching distribution found for torch==2.13.0", "choose 3.11, 3.12 or 3.13"),
        ("error: subprocess-exited-with-error", "pip could not install"),
    ],
)
def test_a_failed_install_is_explained_and_made_anew(checkout: Checkout, pip_says: str, expected: str) -> None:
    checkout.add_python()
    code, out, err = checkout.run("demo", FAKE_PIP_SAYS=pip_says)
    assert code != 0
    assert out == ""
    assert expected in err.splitlines()[-1]
    assert "install.log" in err.splitlines()[-1]
    assert pip_says in (checkout.root / ".venv" / "install.log").read_text()
    code, out, err = checkout.run("demo")
    assert (code, out) == (0, "command line: demo\n")
    assert "half-made" in err
    assert checkout.calls().count("venv\n") == 2


def test_missing_venv_module_is_explained(checkout: Checkout) -> None:
    checkout.add_python()
    code, _, err = checkout.run("demo", FAKE_VENV_FAILS="1")
    assert code != 0
    assert "python3-venv" in one_line(err)


def test_an_interrupted_install_leaves_no_stamp_and_no_lock(checkout: Checkout) -> None:
    checkout.add_python()
    process = checkout.start("demo", FAKE_PIP_SECONDS="30")
    deadline = time.monotonic() + 10
    while "pip" not in checkout.calls() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode != 0
    assert "stopped half-way" in err
    assert not (checkout.root / ".venv.lock").exists()
    assert not (checkout.root / ".venv" / ".stamp").exists()
    assert checkout.run("demo")[0] == 0


def test_two_first_starts_install_once(checkout: Checkout) -> None:
    checkout.add_python()
    processes = [checkout.start("demo", FAKE_PIP_SECONDS="1") for _ in range(2)]
    ended = [(process.communicate(timeout=20), process.returncode) for process in processes]
    assert [code for _, code in ended] == [0, 0]
    assert checkout.calls().count("pip -m") == 1
    assert any("waiting for it" in err for (_, err), _ in ended)


def test_the_lock_of_a_dead_process_is_void(checkout: Checkout) -> None:
    checkout.add_python()
    (checkout.root / ".venv.lock").mkdir()
    (checkout.root / ".venv.lock" / "pid").write_text("99999999")
    assert checkout.run("demo")[0] == 0


def test_an_environment_made_by_hand_is_kept(checkout: Checkout) -> None:
    python = checkout.add_python()
    (checkout.root / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(python, checkout.root / ".venv" / "bin" / "python")
    (checkout.root / ".venv" / "mine").touch()
    assert checkout.run("demo")[0] == 0
    assert (checkout.root / ".venv" / "mine").exists()
    assert "venv\n" not in checkout.calls()


def test_half_a_checkout_is_named(checkout: Checkout) -> None:
    (checkout.root / "constraints.txt").unlink()
    code, _, err = checkout.run("demo")
    assert code != 0
    assert "constraints.txt is missing" in one_line(err)
