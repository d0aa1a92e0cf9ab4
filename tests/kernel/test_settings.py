from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from syneudp.kernel.settings import Settings, SettingsInvalidError, load_settings

CANARY = "canary-4f1b2c"


class RoleSettings(Settings):
    url: SecretStr = Field(validation_alias="SYNEUDP_TEST_URL")
    seconds: int = Field(3600, ge=1, validation_alias="SYNEUDP_TEST_SECONDS")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "SYNEUDP_TEST_URL",
        "SYNEUDP_TEST_URL_FILE",
        "SYNEUDP_TEST_SECONDS",
        "SYNEUDP_ENVIRONMENT",
        "SYNEUDP_LOG_LEVEL",
    ):
        monkeypatch.delenv(name, raising=False)


def test_a_file_stands_in_for_its_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"postgresql://u:{CANARY}@h/d\n")
    monkeypatch.setenv("SYNEUDP_TEST_URL_FILE", str(tmp_path / "url"))
    settings = load_settings(RoleSettings)
    assert settings.url.get_secret_value() == f"postgresql://u:{CANARY}@h/d"
    assert CANARY in settings.secrets()
    assert CANARY not in repr(settings)


def test_every_fault_is_told_at_once_and_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNEUDP_TEST_SECONDS", CANARY)
    monkeypatch.setenv("SYNEUDP_ENVIRONMENT", CANARY)
    monkeypatch.setenv("SYNEUDP_TEST_URL_FILE", "/no/such/file")
    with pytest.raises(SettingsInvalidError) as refused:
        load_settings(RoleSettings)
    told = " ".join(refused.value.faults)
    for name in ("SYNEUDP_TEST_URL", "SYNEUDP_TEST_SECONDS", "SYNEUDP_ENVIRONMENT"):
        assert name in told
    assert CANARY not in told


def test_a_variable_and_its_file_together_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("a")
    monkeypatch.setenv("SYNEUDP_TEST_URL", "b")
    monkeypatch.setenv("SYNEUDP_TEST_URL_FILE", str(tmp_path / "url"))
    with pytest.raises(SettingsInvalidError, match="not both"):
        load_settings(RoleSettings)


def test_an_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNEUDP_TEST_URL", "")
    with pytest.raises(SettingsInvalidError, match="required"):
        load_settings(RoleSettings)
