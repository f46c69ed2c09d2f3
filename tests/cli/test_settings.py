"""Every environment variable: what it becomes, and the one line that says what is wrong with it."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from payk.domain.message import Lane
from payk.settings import AVAILABLE_ROLES, Role, Settings, SettingsError, ignored_variables, load


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PAYK_"):
            monkeypatch.delenv(name)


def test_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load()
    assert settings.database_url is None
    assert settings.secret_key is None
    assert settings.home == tmp_path / ".payk"
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert (settings.admin_host, settings.admin_port) == ("127.0.0.1", 9080)
    assert settings.roles == AVAILABLE_ROLES == {Role.API, Role.ADMIN, Role.DISPATCH, Role.MAINTENANCE}
    assert (settings.receipt_wait, settings.receipt_grace) == (172_800, 3600)
    assert (settings.uncertain_hold, settings.retry_for) == (60, 86_400)
    assert (settings.answer_timeout, settings.lease, settings.heartbeat) == (5, 10, 2)
    assert settings.weights == {Lane.COMMON_HIGH: 16, Lane.COMMON_NORMAL: 8, Lane.COMMON_LOW: 2, Lane.BATCH: 1}
    assert settings.queue_max == 20_000_000
    assert (settings.retention_days, settings.otp_text_minutes) == (90, 60)
    assert settings.trusted_proxies == ()
    assert settings.simulator_port == 0
    assert (settings.log_format, settings.log_level) == (None, "info")


@pytest.mark.parametrize(
    ("variable", "value", "field", "becomes"),
    [
        ("PAYK_PORT", "8090", "port", 8090),
        ("PAYK_PORT", "8090", "admin_port", 9090),
        ("PAYK_PORT", "0", "admin_port", 0),
        ("PAYK_ADMIN_PORT", "7", "admin_port", 7),
        ("PAYK_HOST", "::", "host", "::"),
        ("PAYK_HOST", "", "host", "127.0.0.1"),
        ("PAYK_HOME", "/var/lib/payk", "home", Path("/var/lib/payk")),
        ("PAYK_ROLES", "API, dispatch", "roles", {Role.API, Role.DISPATCH}),
        ("PAYK_RETENTION_DAYS", "0", "retention_days", 0),
        ("PAYK_OTP_TEXT_MINUTES", "1", "otp_text_minutes", 1),
        ("PAYK_RECEIPT_WAIT", "0.5e2", "receipt_wait", 50.0),
        ("PAYK_LANE_WEIGHTS", "4:3:2:1", "lane_weights", (4, 3, 2, 1)),
        ("PAYK_TRUSTED_PROXIES", "10.0.0.0/8, ::1", "trusted_proxies", (ip_network("10.0.0.0/8"), ip_network("::1"))),
        ("PAYK_LOG_FORMAT", "JSON", "log_format", "json"),
        ("PAYK_LOG_LEVEL", "WARNING", "log_level", "warning"),
    ],
)
def test_a_variable(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, field: str, becomes: Any) -> None:
    monkeypatch.setenv(variable, value)
    assert getattr(load(), field) == becomes


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYK_SECRET_KEY", "0f" * 32)
    monkeypatch.setenv("PAYK_DATABASE_URL", "postgresql://payk:s3cret@db/payk")
    settings = load()
    assert settings.secret_key is not None
    assert settings.secret_key.get_secret_value() == b"\x0f" * 32
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://payk:s3cret@db/payk"
    assert "0f0f" not in repr(settings)
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("PAYK_PORT", "70000", "PAYK_PORT: '70000' should be less than or equal to 65535"),
        ("PAYK_PORT", "http", "PAYK_PORT: 'http' should be a valid integer"),
        ("PAYK_PORT", "-1", "PAYK_PORT: '-1' should be greater than or equal to 0"),
        ("PAYK_PORT", "65000", "PAYK_ADMIN_PORT: 66000 should be less than or equal to 65535"),
        ("PAYK_RECEIPT_WAIT", "2592001", "PAYK_RECEIPT_WAIT: '2592001' should be less than or equal to 2592000"),
        ("PAYK_RECEIPT_WAIT", "nan", "PAYK_RECEIPT_WAIT: 'nan' should be a finite number"),
        ("PAYK_RECEIPT_WAIT", "two days", "PAYK_RECEIPT_WAIT: 'two days' should be a valid number"),
        (
            "PAYK_LANE_WEIGHTS",
            "16:8",
            "PAYK_LANE_WEIGHTS: '16:8' should be four whole numbers such as 16:8:2:1 (Common High, Normal, Low, Batch)",
        ),
        ("PAYK_QUEUE_MAX", "0", "PAYK_QUEUE_MAX: '0' should be greater than or equal to 1"),
        ("PAYK_RETENTION_DAYS", "-1", "PAYK_RETENTION_DAYS: '-1' should be greater than or equal to 0"),
        ("PAYK_RETENTION_DAYS", "3651", "PAYK_RETENTION_DAYS: '3651' should be less than or equal to 3650"),
        ("PAYK_RETENTION_DAYS", "a week", "PAYK_RETENTION_DAYS: 'a week' should be a valid integer"),
        ("PAYK_OTP_TEXT_MINUTES", "0", "PAYK_OTP_TEXT_MINUTES: '0' should be greater than or equal to 1"),
        ("PAYK_OTP_TEXT_MINUTES", "43201", "PAYK_OTP_TEXT_MINUTES: '43201' should be less than or equal to 43200"),
        ("PAYK_QUEUE_MAX", "many", "PAYK_QUEUE_MAX: 'many' should be a valid integer"),
        ("PAYK_LANE_WEIGHTS", "1:1:1:0", "PAYK_LANE_WEIGHTS: 0 should be greater than or equal to 1"),
        (
            "PAYK_TRUSTED_PROXIES",
            "10.0.0.1/8",
            (
                "PAYK_TRUSTED_PROXIES: '10.0.0.1/8' should be networks such as 10.0.0.0/8,192.168.1.7:"
                " 10.0.0.1/8 has host bits set"
            ),
        ),
        (
            "PAYK_ROLES",
            "api,smpp",
            (
                "PAYK_ROLES: 'api,smpp' names 'smpp': role smpp comes with a later version;"
                " there are api, admin, dispatch, maintenance"
            ),
        ),
        (
            "PAYK_ROLES",
            "worker",
            "PAYK_ROLES: 'worker' names 'worker', which is no role; there are api, admin, dispatch, maintenance",
        ),
        ("PAYK_ROLES", ",", "PAYK_ROLES: ',' should name at least one role of api, admin, dispatch, maintenance"),
        ("PAYK_LOG_FORMAT", "xml", "PAYK_LOG_FORMAT: 'xml' should be 'console' or 'json'"),
    ],
)
def test_a_wrong_value_is_one_line(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, line: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load()
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        (
            "PAYK_SECRET_KEY",
            "hunter2",
            "PAYK_SECRET_KEY should be 64 hex digits, for example what `openssl rand -hex 32` prints",
        ),
        (
            "PAYK_SECRET_KEY",
            "zz" * 32,
            "PAYK_SECRET_KEY should be 64 hex digits, for example what `openssl rand -hex 32` prints",
        ),
        (
            "PAYK_DATABASE_URL",
            "mysql://root:hunter2@db",
            "PAYK_DATABASE_URL should begin with postgresql://, for example postgresql://user:password@host:5432/payk",
        ),
    ],
)
def test_a_wrong_secret_is_not_quoted(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, line: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load()
    assert str(caught.value) == line


def test_an_option_goes_before_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYK_PORT", "1")
    assert load({"port": "2", "home": None}).port == 2


def test_a_wrong_option_is_named_as_an_option() -> None:
    with pytest.raises(SettingsError, match=r"^--admin-port: 'x' should be a valid integer$"):
        load({"admin_port": "x"})


def test_every_wrong_value_is_told_in_one_line() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"port": "x", "roles": "y"})
    assert str(caught.value) == (
        "--port: 'x' should be a valid integer;"
        " --roles: 'y' names 'y', which is no role; there are api, admin, dispatch, maintenance"
    )


def test_trying_has_short_waits_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(defaults_for_trying=True)
    assert (settings.receipt_wait, settings.uncertain_hold, settings.retry_for) == (60, 5, 600)
    monkeypatch.setenv("PAYK_RECEIPT_WAIT", "7")
    settings = load({"uncertain_hold": 1.0}, defaults_for_trying=True)
    assert (settings.receipt_wait, settings.uncertain_hold, settings.retry_for) == (7, 1, 600)


def test_rules_take_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYK_RETRY_FOR", "100")
    monkeypatch.setenv("PAYK_UNCERTAIN_HOLD", "3")
    rules = load().retry_rules
    assert (rules.retry_for, rules.uncertain_hold) == (100, 3)


def test_a_misspelt_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYK_RECIEPT_WAIT", "60")
    with pytest.raises(SettingsError, match=r"^PAYK_RECIEPT_WAIT is no setting; did you mean PAYK_RECEIPT_WAIT\?$"):
        load()


@pytest.mark.parametrize(
    "variable",
    [
        "PAYK_API_KEY",
        "PAYK_URL",
        "PAYK_SIMULATOR_RATE",
        "PAYK_ADMIN_TOKEN",
        "PAYK_TEST_DATABASE_URL",
    ],
)
def test_names_of_commands_later_versions_and_tests_are_known(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "1")
    load()
    assert ignored_variables() == []


def test_names_that_resemble_none_are_ignored_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    # Kubernetes sets such names in every pod beside a service called payk.
    monkeypatch.setenv("PAYK_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("PAYK_PORT_8080_TCP_ADDR", "10.0.0.1")
    load()
    assert ignored_variables() == ["PAYK_PORT_8080_TCP_ADDR", "PAYK_SERVICE_HOST"]


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().port = 1


def test_no_file_is_read_behind_the_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PAYK_PORT=1\n")
    monkeypatch.chdir(tmp_path)
    assert load().port == 8080


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_has_a_sentence(name: str) -> None:
    assert (Settings.model_fields[name].description or "").endswith(".")
