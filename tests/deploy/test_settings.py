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
    ],
)
def test_a_value_that_cannot_be_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "meltwin.toml").write_text(text)
    with pytest.raises(SettingsError, match=line) as caught:
        load()
    assert "\n" not in str(caught.value)


def test_the_launchers_variable_is_not_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELTWIN_PYTHON", "python3.12")
    assert load() == Settings()


def test_a_child_process_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = load(mqtt_port=4001, data_dir=tmp_path / "x", seed=7, device="cpu")
    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert load() == settings


def test_the_database_follows_the_data_folder(tmp_path: Path) -> None:
    assert load(data_dir=tmp_path).database_url == f"sqlite:///{tmp_path}/meltwin.db"
    assert load(database="postgresql+psycopg://localhost/meltwin").database_url.startswith("postgresql")


def test_a_password_is_never_shown() -> None:
    settings = load(database="postgresql+psycopg://me:secret@db:5432/meltwin")
    assert settings.database_place == "postgresql+psycopg://me:***@db:5432/meltwin"
    assert "secret" in settings.database_url


def test_there_are_few_settings_and_each_says_what_it_is() -> None:
    assert len(Settings.model_fields) <= 22
    assert all(field.description for field in Settings.model_fields.values())
