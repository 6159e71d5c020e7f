"""The account verbs, the first account, and who starts the page how."""

import os
import re
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy import first, wiring
from deploy.cli import app
from deploy.errors import MeltwinError, SettingsError
from deploy.ports import free_port, port_is_free
from deploy.settings import Settings, as_environment, load
from deploy.supervise import Child
from tests.ui.access.laws import CHEAP, PASSWORD, Visitor, until
from twin.clock import FakeClock
from twin.people import FakePeople
from twin.store.sql.people import SqlPeople
from twin.store.sql.store import SqlStore
from twin.store.upkeep.schema import downgrade
from ui.access import passwords


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(passwords, "COST", CHEAP)
    monkeypatch.setenv("MELTWIN_DATA_DIR", str(tmp_path / "var"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    return path


def invoke(*arguments: object, code: int = 0, typed: str | None = None) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=typed)
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    return result.output


def people() -> SqlPeople:
    return SqlPeople.open(load().database_url)


def test_a_person_is_let_in_changed_and_shut_out_and_all_is_on_record(file: Path) -> None:
    assert "ada may sign in as operator" in invoke(
        "account", "add", "ada", "--role", "operator", "--password-file", file
    )
    assert passwords.matches(PASSWORD, people().accounts()[0].password_hash)
    file.write_text("another horse battery")
    invoke("account", "password", "ada", "--password-file", file)
    assert passwords.matches("another horse battery", people().accounts()[0].password_hash)
    invoke("account", "role", "ada", "engineer")
    invoke("account", "disable", "ada")
    listed = invoke("account", "list", "--acts", 10)
    assert re.search(r"ada +engineer +shut out +changed .* by terminal:\w+", listed)
    assert "1 accounts" in listed
    acts = re.findall(r"terminal:\w+: (.*)", listed)
    assert acts == ["disabled ada", "role ada (operator -> engineer)", "password ada", "added ada (operator)"]
    assert not re.search(r"scrypt|horse", listed)
    invoke("account", "disable", "ada", "--undo")
    assert not people().accounts()[0].disabled


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("add", "Ada"), "cannot be a name"),
        (("add", "ada", "--role", "king"), "is not a role"),
        (("add", "ada", "--password-file", "none"), "cannot read none"),
        (("add", "ada"), "nobody can type a password here"),
        (("role", "ada", "viewer"), "no account ada"),
        (("password", "ada"), "no account ada"),
        (("disable", "ada"), "no account ada"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], says: str, capfd: pytest.CaptureFixture[str]) -> None:
    wiring.people(load()).close()
    invoke("account", *arguments, code=2)
    said = capfd.readouterr().err + CliRunner().invoke(app, ["account", *arguments]).output
    assert says in said
    assert "Traceback" not in said
    assert people().accounts() == []


def test_a_short_password_and_one_on_the_command_line_are_refused(file: Path) -> None:
    file.write_text("short")
    assert "at least 12" in invoke("account", "add", "ada", "--password-file", file, code=2)
    for verb in ("add", "password"):
        assert "No such option" in invoke("account", verb, "ada", "--password", PASSWORD, code=2)
    assert people().accounts() == []


def test_a_password_is_typed_twice_and_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.commands.account._at_a_terminal", lambda: True)
    said = invoke("account", "add", "ada", typed=f"{PASSWORD}\nother\n{PASSWORD}\n{PASSWORD}\n")
    assert "do not match" in said
    assert PASSWORD not in said
    assert passwords.matches(PASSWORD, people().accounts()[0].password_hash)


def test_whom_only_a_proxy_vouches_for_has_no_password_at_all(file: Path) -> None:
    invoke("account", "add", "ada@example.org", "--role", "operator", "--without-password")
    (ada,) = people().accounts()
    assert not passwords.matches("", ada.password_hash)
    assert "no password" in invoke("account", "list")
    invoke("account", "add", "eve", "--without-password", "--password-file", file, code=2)


# the first account


def test_on_a_terminal_the_password_is_printed_once_and_kept_as_a_hash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = FakePeople()
    first.make(port, folder=tmp_path, clock=FakeClock(5.0), terminal=True)
    said = capsys.readouterr()
    (password,) = re.findall(r"password  ([a-z2-9-]{23})", said.out)
    (account,) = port.accounts()
    assert (account.name, account.role, account.created_by, account.created_s) == (
        "engineer", "engineer", "first start", 5.0,
    )  # fmt: skip
    assert passwords.matches(password, account.password_hash)
    first.make(port, folder=tmp_path, clock=FakeClock(6.0), terminal=True)
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []
    assert said.err == ""


def test_where_output_is_kept_the_password_is_in_a_file_for_its_owner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = FakePeople()
    first.make(port, folder=tmp_path, clock=FakeClock(5.0), terminal=False)
    file = tmp_path / first.FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    password = file.read_text().strip()
    assert passwords.matches(password, port.accounts()[0].password_hash)
    said = capsys.readouterr().out
    assert str(file) in said
    assert password not in said


def test_the_file_goes_when_the_password_does(file: Path) -> None:
    settings = load()
    first.show_first(settings)
    kept = settings.data_dir / first.FILE
    assert kept.exists()
    invoke("account", "password", "engineer", "--password-file", file)
    assert not kept.exists()


# settings


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"ui_proxy": {"header": "X-Remote-User"}}, "a header is believed of nobody"),
        ({"ui_proxy": {"address": "proxy.local"}}, "ui_proxy"),
        ({"ui_proxy": {"address": "10.0.0.1/8"}}, "ui_proxy"),
        ({"ui_proxy": {"host": "*"}}, "ui_proxy"),
        ({"ui_proxy": {"user": "ada"}}, "ui_proxy"),
        ({"ui_sign_in": "no"}, "ui_sign_in"),
    ],
)
def test_settings_that_would_open_the_page_are_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        load(**given)


def test_the_settings_of_the_page_reach_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    given = Settings(ui_proxy={"host": "twin.local, twin", "address": "10.0.0.0/8, ::1", "header": "X-Remote-User"})
    assert given.ui_hosts == ("twin.local", "twin")
    assert given.model_copy(update={"ui_sign_in": "off"}).ui_hosts == ()
    for name, value in as_environment(given).items():
        monkeypatch.setenv(name, value)
    assert load() == given


def test_a_proxy_of_the_settings_is_the_one_that_is_believed() -> None:
    given = load(ui_proxy={"host": "twin.local", "address": "10.0.0.0/8, ::1", "header": "X-Remote-User"})
    access = wiring.page_access(given, lambda _: None)
    assert access is not None
    assert [access.proxies.trusts(peer) for peer in ("10.1.2.3", "::1", "11.1.2.3")] == [True, True, False]
    assert access.proxies.header == "X-Remote-User"


def test_a_key_that_others_may_read_stops_the_page(tmp_path: Path) -> None:
    settings = load()
    assert wiring.page_access(settings, lambda _: None) is not None
    (settings.data_dir / "session.key").chmod(0o644)
    with pytest.raises(MeltwinError, match="others may read"):
        wiring.page_access(settings, lambda _: None)
    assert wiring.page_access(settings.model_copy(update={"ui_sign_in": "off"}), lambda _: None) is None


def test_the_page_makes_an_empty_store_but_leaves_an_older_one_to_run(tmp_path: Path) -> None:
    settings = load()
    wiring.people(settings).close()
    SqlStore.open_reader(settings.database_url).close()
    downgrade(settings.database_url, "0004_upkeep")
    with pytest.raises(Exception, match="has schema 0004_upkeep"):
        wiring.people(settings)


# the programs


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(ui_port=free_port(), mqtt_port=free_port())


def asked(settings: Settings) -> Visitor:
    assert until(lambda: not port_is_free(settings.ui_port), 60.0)
    return Visitor(f"http://127.0.0.1:{settings.ui_port}")


def test_the_page_of_a_fresh_folder_asks_for_the_password_of_its_first_start(settings: Settings) -> None:
    with Child("ui", environment=as_environment(settings)):
        visitor = asked(settings)
        assert visitor.get("/").status == 303
        assert visitor.sign_in("engineer", (settings.data_dir / first.FILE).read_text().strip()).status == 303
        assert visitor.get("/").status == 200
    with Child("ui", environment=as_environment(settings)):
        asked(settings)
        assert visitor.get("/").status == 200, "a restart ends no session"
        assert visitor.ask("POST", "/sign-out").status == 303
    assert people().account_acts("engineer").act.tolist() == ["signed out", "signed in", "added"]


def test_demo_and_replay_into_a_database_of_their_own_ask_nobody(settings: Settings, tmp_path: Path) -> None:
    fresh = load(data_dir=tmp_path / "fresh", ui_port=settings.ui_port, **first.NOBODY_SIGNS_IN)
    first.show_first(fresh)
    assert not fresh.data_dir.exists()
    with Child("ui", environment=as_environment(fresh)):
        visitor = asked(fresh)
        with urllib.request.urlopen(visitor.address, timeout=20) as page:
            assert page.status == 200
        assert visitor.ask("POST", "/_dash-update-component", "{}", Origin="https://evil.example").status == 403


@pytest.mark.timeout(180)
def test_the_demo_opens_its_page_at_once_and_a_kept_one_asks(settings: Settings, tmp_path: Path) -> None:
    given = ["--for", "3", "--operator", "reference"]
    given += ["--ui-port", str(settings.ui_port), "--mqtt-port", str(settings.mqtt_port)]
    for kept, status in (([], 200), (["--keep"], 303)):
        command = [sys.executable, "-P", "-m", "deploy.cli", "demo", *given, *kept]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        assert until(asked(settings).answers, 60.0)
        assert asked(settings).get("/").status == status
        demo.terminate()
        said, _ = demo.communicate(timeout=60)
        assert (first.FILE in said) is bool(kept)
        assert until(lambda: port_is_free(settings.ui_port))
    assert [each.name for each in people().accounts()] == ["engineer"]
