"""Settings: sources in their order, and no unknown name passes."""

from pathlib import Path

import pytest

from deploy.errors import SettingsError
from deploy.settings import Settings, as_environment, load


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MELTWIN_{name.upper()}", raising=False)


def test_arguments_win_over_variables_over_the_file_over_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meltwin.toml").write_text("mqtt_port = 1001\nui_port = 1002\nseed = 3\n")
    monkeypatch.setenv("MELTWIN_UI_PORT", "2002")
    monkeypatch.setenv("MELTWIN_MQTT_PORT", "2001")
    settings = load(mqtt_port=3001, device=None)
    assert (settings.mqtt_port, settings.ui_port, settings.seed, settings.device) == (3001, 2002, 3, "auto")


def test_an_unknown_variable_fails_and_names_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELTWIN_MQTTPORT", "1")
    with pytest.raises(SettingsError, match="MELTWIN_MQTTPORT is not a setting; did you mean mqtt_port"):
        load()


def test_an_unknown_key_in_the_file_fails(tmp_path: Path) -> None:
    (tmp_path / "meltwin.toml").write_text("ui_prot = 1\n")
    with pytest.raises(SettingsError, match=r"meltwin\.toml: ui_prot is not a setting; did you mean ui_port"):
        load()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("mqtt_port = 70000", "setting mqtt_port = 70000"),
        ("late_s = -1", "setting late_s = -1"),
        ("a = = 1", "is not TOML"),
        ('site = "' + 65 * "a" + '"', "setting site = "),
    ],
)
def test_a_value_that_cannot_be_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "meltwin.toml").write_text(text)
    with pytest.raises(SettingsError, match=line) as caught:
        load()
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "meltwin.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"meltwin\.toml is not text in UTF-8: invalid start byte at byte 0"):
        load()
    (tmp_path / "meltwin.toml").unlink()
    (tmp_path / "meltwin.toml").mkdir()
    with pytest.raises(SettingsError, match=r"meltwin\.toml is no file"):
        load()


def test_operators_by_machine_from_the_file_and_from_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meltwin.toml").write_text('opinions = ["a"]\n[operators]\nded-1 = "reference"\n')
    assert (load().operators, load().opinions) == ({"ded-1": "reference"}, ("a",))
    monkeypatch.setenv("MELTWIN_OPERATORS", '{"lpbf-1": "a"}')
    assert load().operators == {"ded-1": "reference", "lpbf-1": "a"}, "a variable adds to the file"
    monkeypatch.setenv("MELTWIN_OPERATORS", "lpbf-1=a")
    with pytest.raises(SettingsError, match=r"operators.*JSON"):
        load()


def test_the_launchers_variable_is_not_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELTWIN_PYTHON", "python3.12")
    assert load() == Settings()


def test_a_child_process_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    several = {"operators": {"ded-1": "reference"}, "opinions": ("a", "b")}
    settings = load(mqtt_port=4001, data_dir=tmp_path / "x", seed=7, device="cpu", **several)
    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert load() == settings


def test_the_database_follows_the_data_folder(tmp_path: Path) -> None:
    assert load(data_dir=tmp_path).database_url == f"sqlite:///{tmp_path}/meltwin.db"
    assert load(database="postgresql+psycopg://localhost/meltwin").database_url.startswith("postgresql")


SECRET = "postgresql+psycopg://me:hunter2@db:5432/meltwin"


def test_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELTWIN_DATABASE", SECRET)
    settings = load()
    assert settings.database_place == "postgresql+psycopg://me:***@db:5432/meltwin"
    assert settings.database_url == SECRET
    assert "hunter2" not in f"{settings} {settings!r}"


def test_a_password_comes_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text(f"{SECRET}\n# and more\n")
    settings = load(database=f"file:{tmp_path}/url")
    assert settings.database_url == SECRET
    assert as_environment(settings)["MELTWIN_DATABASE"] == f"file:{tmp_path}/url", "a child reads the file itself"
    for content, line in (("\n", "is empty"), (None, "cannot read")):
        (tmp_path / "url").unlink()
        if content is not None:
            (tmp_path / "url").write_text(content)
        with pytest.raises(SettingsError, match=line):
            _ = settings.database_url
        (tmp_path / "url").touch()


@pytest.mark.parametrize("url", [SECRET, "postgresql://db/meltwin?user=me&password=hunter2"])
def test_a_password_is_refused_among_options(url: str) -> None:
    with pytest.raises(SettingsError, match="MELTWIN_DATABASE") as caught:
        load(database=url)
    assert "hunter2" not in str(caught.value)
    assert load(database="postgresql://me@db/meltwin").database_place == "postgresql+psycopg://me@db/meltwin"


def test_what_is_kept_how_long_is_told_by_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELTWIN_KEEP_DAYS", '{"fields": 7}')
    assert load().keep_days == {"fields": 7.0}
    monkeypatch.setenv("MELTWIN_KEEP_DAYS", '{"alerts": 7}')
    with pytest.raises(SettingsError, match="keep_days"):
        load()


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"mqtt_username": "twin"}, "go together"),
        ({"mqtt_password_file": "p"}, "go together"),
        ({"mqtt_username": "twin", "mqtt_password_file": "p", "mqtt_host": "broker.local"}, "readable to broker.local"),
        ({"mqtt_tls_ca": "ca.crt", "broker": "embedded"}, "embedded broker has no TLS"),
    ],
)
def test_credentials_are_whole_and_never_cross_a_network_in_the_clear(given: dict[str, str], line: str) -> None:
    with pytest.raises(SettingsError, match=line) as caught:
        load(**({"broker": "external"} | given))
    assert "\n" not in str(caught.value)


def test_there_are_few_settings_and_each_says_what_it_is() -> None:
    assert len(Settings.model_fields) <= 36
    assert all(field.description for field in Settings.model_fields.values())
