"""Where everything must be there, what is absent fails; elsewhere it skips, with the remedy."""

from pathlib import Path

import pytest

from tests.conftest import REMEDIES, need, shared_data


@pytest.mark.parametrize("ci", [True, False])
def test_what_is_absent_skips_or_fails(ci: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true" if ci else "")
    monkeypatch.setitem(REMEDIES, "no-such-program", "apt install nothing")
    raised = pytest.fail.Exception if ci else pytest.skip.Exception
    with pytest.raises(raised, match="no-such-program is not installed: apt install nothing"):
        need("no-such-program")
    with pytest.raises(pytest.skip.Exception, match="no_such_folder"):
        shared_data("no_such_folder")


def test_what_is_there_is_found() -> None:
    assert need("sh").endswith("/sh")


def test_ci_installs_whatever_a_test_may_need() -> None:
    """An absent program fails there, so the script must bring each of them."""
    script = (Path(__file__).parents[2] / ".ci" / "run").read_text()
    for program, remedy in REMEDIES.items():
        package = remedy.split()[-1] if program == "chromedriver" else remedy.split()[2]
        assert package in script, program
