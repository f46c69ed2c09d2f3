"""Every environment variable of Payk, once: its type, unit, default and a sentence.

`load` reads them into one frozen object; a command line option of the same name goes before its variable. What clients,
operators and routes are is no setting: `payk apply` configures that.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretBytes, SecretStr, ValidationError
from pydantic.config import JsonDict
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from payk.domain.message import Lane
from payk.domain.retry import RetryRules

__all__ = ["AVAILABLE_ROLES", "COMMAND_VARIABLES", "Role", "Settings", "SettingsError", "ignored_variables", "load"]

PREFIX = "PAYK_"
_SECRETS = frozenset({"database_url", "secret_key", "old_secret_keys"})
"""Settings whose values are not quoted."""
DAY = 86_400


class SettingsError(Exception):
    """A setting is wrong; str() is one line that names it, says what is wrong and what would be right."""


class Role(StrEnum):
    """What a process does; each may be done by many processes at once."""

    API = "api"
    ADMIN = "admin"
    CONSOLE = "console"
    SMPP = "smpp"
    DISPATCH = "dispatch"
    WEBHOOKS = "webhooks"
    MAINTENANCE = "maintenance"


AVAILABLE_ROLES = frozenset({Role.API, Role.ADMIN, Role.DISPATCH, Role.MAINTENANCE})

TRYING_DEFAULTS: Mapping[str, Any] = {"receipt_wait": 60.0, "uncertain_hold": 5.0, "retry_for": 600.0}
"""What `payk up` takes in place of a default: nobody who tries waits two days for a state."""

COMMAND_VARIABLES = frozenset(
    PREFIX + name
    for name in (
        # Options of single commands; settings.py of the server does not read them.
        *("URL", "API_KEY", "JSON", "DRY_RUN", "FIRST_MESSAGE_ID"),
        *(
            "ADMIN_URL",
            "IF_MATCH",
            "REVERT_PASSWORD_OF",
            "MESSAGE_TEXT",
            "BLOCK_WHOLE_NUMBERS",
            "TOP_INTERVAL",
            "TOP_ONCE",
            "REASON",
            "KEY_IMPORT",
            "KEY_GRACE",
            "SENDER_CLIENT",
            "SENDER_STATUS",
        ),
        *("QUEUE_CLIENT", "QUEUE_LABEL", "QUEUE_TYPE", "QUEUE_OPERATOR", "RECEIPT_OPERATOR", "RECEIPT_AFTER"),
        *("PASSWORD_STDIN", "LINK_OPERATOR", "CHANGE_LIMIT", "REVERT_THROUGH", "EXPORT_OUTPUT"),
        *("ROUTE_CLIENT", "ROUTE_SENDER", "ROUTE_TYPE"),
        *("BALANCE_REFERENCE", "BALANCE_NOTE", "BALANCE_NEWEST", "BALANCE_BEFORE"),
        *("BLOCK_CLIENT", "BLOCK_OF_ALL", "BLOCK_WHAT", "BLOCK_REASON", "BLOCK_BEGINS"),
        *("BACKUP_KEEP", "BACKUP_STOP", "RESTORE_TO", "RESTORE_BASE"),
        *("RECOVER_RELEASE", "RECOVER_GIVE_UP", "RECOVER_TYPE", "RECOVER_LABEL", "RECOVER_YOUNGER_THAN"),
        *("RECOVER_OLDER_THAN", "RECOVER_IDS_AHEAD"),
        *("TRACE_LINK", "TRACE_NUMBER", "TRACE_SECONDS", "TRACE_OUTPUT", "TRACE_TEXTS", "TRACE_WHOLE_NUMBERS"),
        *("FORGET_EXPORT", "FORGET_FORCE"),
        *(
            "ACCESS_CLIENT",
            "ACCESS_PASSWORD_STDIN",
            "ACCESS_ROLE",
            "ACCESS_WITH_TOKEN",
            "ACCESS_TOTP_OFF",
            "ACCESS_USER",
        ),
        *("ACCESS_TOKEN_ROLE", "ACCESS_SCOPES", "ACCESS_DAYS"),
        *("AUDIT_NEWEST", "AUDIT_NUMBER", "AUDIT_ANCHOR", "AUDIT_FROM", "AUDIT_TO"),
        *("AUDIT_OBJECT_KIND", "AUDIT_OBJECT_NAME", "AUDIT_ACTOR", "AUDIT_ACT"),
        *("SEND_TO", "SEND_TEXT", "SEND_SENDER", "SEND_TYPE", "SEND_PRIORITY", "SEND_LABEL"),
        *("SEND_CLIENT_MESSAGE_ID", "SEND_WAIT", "STATUS_EVENTS", "LABEL_WATCH"),
        *("PREVIEW_TO", "PREVIEW_SENDER", "PREVIEW_TYPE"),
        *("MESSAGE_NUMBER", "MESSAGE_NUMBER_ENDS", "MESSAGE_CLIENT", "MESSAGE_LABEL", "MESSAGE_SENDER", "MESSAGE_TYPE"),
        *("MESSAGE_STATE", "MESSAGE_OPERATOR", "MESSAGE_CLIENT_MESSAGE_ID", "MESSAGE_FROM", "MESSAGE_TO"),
        *("MESSAGE_LIMIT", "MESSAGE_CURSOR", "MESSAGE_WHOLE_NUMBERS", "IMPORT_ENCODING", "IMPORT_DROP_BEFORE"),
        *("SIMULATOR_SYSTEM_ID", "SIMULATOR_PASSWORD", "SIMULATOR_HOST", "SIMULATOR_MAX_BINDS", "SIMULATOR_LATENCY"),
        *("SIMULATOR_RATE", "SIMULATOR_WINDOW", "SIMULATOR_REFUSE", "SIMULATOR_THROTTLE", "SIMULATOR_LOSE"),
        *("SIMULATOR_IDS", "SIMULATOR_RECEIPTS", "SIMULATOR_SCENARIO", "SIMULATOR_RECORD"),
        *("SIMULATOR_INTERFACE_VERSION", "SIMULATOR_THROTTLE_CODE", "SIMULATOR_EARLY", "SIMULATOR_NO_ID"),
        *("SIMULATOR_DUPLICATE", "SIMULATOR_CONGESTION", "SIMULATOR_RECEIPT_FIELDS", "SIMULATOR_RECEIPTS_ON"),
        *("SIMULATOR_SERVICE_TYPE", "SIMULATOR_TIMEZONE"),
    )
)
"""Variables that options of single commands read (payk.cli)."""

SECRET_VARIABLES = frozenset(PREFIX + name for name in ("ADMIN_TOKEN", "CURRENT_PASSWORD", "CURRENT_CODE"))
"""Read by the command line alone; no option stands for it, for everybody on a machine sees those of a command."""


def _postgresql(url: SecretStr) -> SecretStr:
    if not url.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("should begin with postgresql://, for example postgresql://user:password@host:5432/payk")
    return url


def _hex_key(value: object) -> object:
    return _octets(value) if isinstance(value, str) else value


def _octets(written: str) -> bytes:
    try:
        octets = bytes.fromhex(written) if len(written) == 64 else b""
    except ValueError:
        octets = b""
    if len(octets) != 32:
        raise ValueError("should be 64 hex digits, for example what `openssl rand -hex 32` prints")
    return octets


def _hex_keys(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(SecretBytes(_octets(key.strip())) for key in value.split(",") if key.strip())


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return tuple(ip_network(entry.strip()) for entry in value.split(",") if entry.strip())
    except ValueError as exc:
        raise ValueError(f"should be networks such as 10.0.0.0/8,192.168.1.7: {exc}") from exc


def _weights(value: object) -> object:
    if not isinstance(value, str):
        return value
    fields = value.split(":")
    if len(fields) != 4 or not all(field.strip().isascii() and field.strip().isdigit() for field in fields):
        raise ValueError("should be four whole numbers such as 16:8:2:1 (Common High, Normal, Low, Batch)")
    return tuple(int(field) for field in fields)


def _roles(value: object) -> object:
    if not isinstance(value, str):
        return value
    offered = ", ".join(role for role in Role if role in AVAILABLE_ROLES)
    names = [name.strip().lower() for name in value.split(",") if name.strip()]
    for name in names:
        if name not in Role.__members__.values():
            raise ValueError(f"names {name!r}, which is no role; there are {offered}")
        if name not in AVAILABLE_ROLES:
            raise ValueError(f"names {name!r}: role {name} comes with a later version; there are {offered}")
    if not names:
        raise ValueError(f"should name at least one role of {offered}")
    return frozenset(Role(name) for name in names)


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as exc:  # KeyError: ZoneInfoNotFoundError
        raise ValueError("should be a name of the IANA database such as Asia/Dushanbe") from exc
    return name


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _next_thousand(earlier: dict[str, Any]) -> int:
    port: int = earlier["port"]
    return port + 1000 if port else 0


Port = Annotated[int, Field(ge=0, le=65_535)]
Weight = Annotated[int, Field(ge=1, le=1000)]
Host = Annotated[str, Field(min_length=1)]


def _setting(default: Any, kind: str, description: str, *, shown: str | None = None, **limits: Any) -> Any:
    """A field: its default, the kind of its value with the unit, a sentence; `shown` is the default in words."""
    about: JsonDict = {"kind": kind, "default": str(default) if shown is None else shown}
    if callable(default):
        return Field(default_factory=default, description=description, json_schema_extra=about)
    return Field(default, description=description, json_schema_extra=about, **limits)


def _seconds(default: float, least: float, most: float, description: str) -> Any:
    return _setting(default, f"seconds, {least:g} to {most:.0f}", description, ge=least, le=most, allow_inf_nan=False)


class Settings(BaseSettings):
    """What a process of Payk is told from outside. Times in seconds."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, validate_default=True
    )

    database_url: Annotated[SecretStr, AfterValidator(_postgresql)] | None = _setting(
        None,
        "URL",
        "PostgreSQL 15 or newer, as `postgresql://user:password@host:5432/name`; several hosts as `host1,host2` with"
        " `?target_session_attrs=read-write`. Without it the embedded database under `PAYK_HOME`.",
        shown="none",
    )
    home: Annotated[Path, AfterValidator(_absolute)] = _setting(
        Path(".payk"), "folder", "Folder of the embedded database, the secret key and the files of `payk up`."
    )
    host: Host = _setting("127.0.0.1", "address", "Address that the API listens on; `0.0.0.0` or `::` for all.")
    port: Port = _setting(8080, "port", "Port of the API; 0 = a free one, printed at the start.")
    admin_host: Host = _setting("127.0.0.1", "address", "Address of the management listener.")
    admin_port: Port = _setting(
        _next_thousand,
        "port",
        "Port of the management listener; 0 = a free one, printed at the start.",
        shown="main port + 1000",
    )
    roles: Annotated[frozenset[Role], NoDecode, BeforeValidator(_roles)] = _setting(
        AVAILABLE_ROLES, "names", "What `payk serve` does: `api`, `admin`, `dispatch`, `maintenance`.", shown="all"
    )
    secret_key: Annotated[SecretBytes, BeforeValidator(_hex_key)] | None = _setting(
        None,
        "64 hex digits",
        "What operators' passwords and the texts of Otp are encrypted under; the same in every process. Without it the"
        " file `secret-key` under `PAYK_HOME`.",
        shown="none",
    )
    old_secret_keys: Annotated[tuple[SecretBytes, ...], NoDecode, BeforeValidator(_hex_keys)] = _setting(
        (),
        "64 hex digits each",
        "Secret keys of before, separated by commas, that still open what was encrypted under them; see `payk secret"
        " rotate`. Without it the lines of the file `secret-key.old` under `PAYK_HOME`, if there is one.",
        shown="none",
    )
    receipt_wait: float = _seconds(
        172_800,
        1,
        30 * DAY,
        "How long after its last submit a message without ExpiresIn waits for its receipt before it is Unknown;"
        " `payk up` takes 60.",
    )
    receipt_grace: float = _seconds(
        3600,
        0,
        DAY,
        "How long after ExpiresIn has run out a message still waits for its receipt before it is Unknown.",
    )
    uncertain_hold: float = _seconds(
        60,
        0,
        DAY,
        "How long a submit without an answer is held before the message may be sent once more; `payk up` takes 5.",
    )
    retry_for: float = _seconds(
        86_400,
        0,
        30 * DAY,
        "How long a message that the operator refuses for the moment is tried again before it is Undeliverable;"
        " `payk up` takes 600.",
    )
    answer_timeout: float = _seconds(
        5, 0.5, 60, "Every POST is answered within this time, counted from the last byte of its body."
    )
    queue_max: int = _setting(
        20_000_000,
        "messages, at least 1",
        "How many messages may wait to be handed to an operator, scheduled ones included. Batch is refused from 80 % of"
        " it on, Common from 95 %, Otp at the end.",
        ge=1,
    )
    low_balance: int = _setting(
        10,
        "currency units, 0 or more",
        "A prepaid client that has less left is counted by `payk_centre_low_balances`.",
        ge=0,
    )
    retention_days: int = _setting(
        90,
        "days, 0 to 3650",
        "How long messages are kept after they were accepted, with their receipts, and what subscribers sent; 0 = for"
        " ever. They go many at a time, and only when all of those are final.",
        ge=0,
        le=3650,
    )
    report_days: int = _setting(
        730,
        "days, 1 to 3650",
        "How long the counts of reports are kept after their messages were accepted; they need little room. Counts of"
        " messages that are still open, such as scheduled ones, stay until these have come to an end.",
        ge=1,
        le=3650,
    )
    ledger_days: int = _setting(
        400,
        "days, 1 to 3650",
        "How long entries of the ledgers of prepaid clients are kept; those with a reference stay, so that none is"
        " entered twice. What a client has left stands apart.",
        ge=1,
        le=3650,
    )
    otp_text_minutes: int = _setting(
        60,
        "minutes, 1 to 43200",
        "How long the text of an Otp is kept after the operator took its last part or it became final, whichever comes"
        " first. Those of other types: `text_days` of their client.",
        ge=1,
        le=43_200,
    )
    timezone: Annotated[str, AfterValidator(_time_zone)] = _setting(
        "Asia/Dushanbe",
        "time zone",
        "The clock of recipients whose number does not tell where they live, by which `batch_hours` open and close; a"
        " name of the IANA database.",
    )
    lease: float = _seconds(
        10,
        1,
        300,
        "A process that was silent for this long loses its binds and claims; it reports five times as often.",
    )
    lane_weights: Annotated[tuple[Weight, Weight, Weight, Weight], NoDecode, BeforeValidator(_weights)] = _setting(
        (16, 8, 2, 1),
        "shares, 1 to 1000 each",
        "Shares of the lanes Common High, Common Normal, Common Low and Batch; Otp always goes first.",
        shown="16:8:2:1",
    )
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)] = _setting(
        (),
        "networks",
        "Networks in CIDR form, separated by commas, of proxies whose X-Forwarded-For names the caller.",
        shown="none",
    )
    connections: int = _setting(
        10_000,
        "connections, at least 1",
        "How many connections each listener has at most; the next one is answered 503 and closed.",
        ge=1,
    )
    connections_per_address: int = _setting(
        2000,
        "connections, at least 1",
        "How many of them one address, or one /64 of IPv6, has at most; those of `PAYK_TRUSTED_PROXIES` are not counted"
        " so.",
        ge=1,
    )
    head_timeout: float = _seconds(
        10, 1, 600, "How long the headers of a request may take, and a TLS handshake; then it is 408 `RequestTimeout`."
    )
    body_rate: int = _setting(
        1024,
        "octets a second, at least 1",
        "How fast a body comes, and an answer is read, at least, in every 10 seconds; else it is 408 `RequestTimeout`.",
        ge=1,
    )
    tls_certificate: Annotated[Path, AfterValidator(_absolute)] | None = _setting(
        None,
        "file",
        "PEM file with the certificate of the API and those it was signed with: the API is served over TLS. Read again"
        " when it changes.",
        shown="none",
    )
    tls_key: Annotated[Path, AfterValidator(_absolute)] | None = _setting(
        None, "file", "PEM file with the key of `PAYK_TLS_CERTIFICATE`, without a password.", shown="none"
    )
    admin_tls_certificate: Annotated[Path, AfterValidator(_absolute)] | None = _setting(
        None, "file", "The same for the management listener.", shown="none"
    )
    admin_tls_key: Annotated[Path, AfterValidator(_absolute)] | None = _setting(
        None, "file", "PEM file with the key of `PAYK_ADMIN_TLS_CERTIFICATE`.", shown="none"
    )
    simulator_port: Port = _setting(
        0, "port", "Port of the simulated operator of `payk up`; 0 = a free one, printed at the start."
    )
    log_format: Annotated[Literal["console", "json"] | None, BeforeValidator(_lower)] = _setting(
        None, "console, json", "How log lines look on standard error.", shown="console on a terminal, else json"
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = _setting(
        "info", "debug, info, warning, error", "The lowest level that is logged."
    )
    log_outcomes: Annotated[Literal["all", "failures", "off"], BeforeValidator(_lower)] = _setting(
        "all",
        "all, failures, off",
        "Which outcomes of messages are logged, a line each: all, those that are not what was hoped for, or none. They"
        " are lines of level info, an unanswered submit one of level warning.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options, then variables; no .env file and no folder of secrets."""
        return init_settings, env_settings

    @property
    def heartbeat(self) -> float:
        """Seconds between two signs of life of a process."""
        return self.lease / 5

    @property
    def retry_rules(self) -> RetryRules:
        """What retries obey."""
        return RetryRules(retry_for=self.retry_for, uncertain_hold=self.uncertain_hold)

    @property
    def weights(self) -> Mapping[Lane, int]:
        """The share of every lane but Otp, which shares with none."""
        lanes = (Lane.COMMON_HIGH, Lane.COMMON_NORMAL, Lane.COMMON_LOW, Lane.BATCH)
        return dict(zip(lanes, self.lane_weights, strict=True))


class _SettingsForTrying(Settings):
    """Settings with the defaults of `payk up`."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *sources: PydanticBaseSettingsSource, **named: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        chosen = super().settings_customise_sources(settings_cls, *sources, **named)
        return *chosen, InitSettingsSource(settings_cls, dict(TRYING_DEFAULTS))


def load(overrides: Mapping[str, Any] | None = None, *, defaults_for_trying: bool = False) -> Settings:
    """Read the environment. `overrides` are options of the command line by setting; None = not given.

    Raises SettingsError for a value that is wrong and for a variable that looks like a misspelt one.
    """
    _refuse_misspelt(os.environ)
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    kind = _SettingsForTrying if defaults_for_trying else Settings
    try:
        return kind(**given)
    except ValidationError as exc:
        errors = [error for error in exc.errors() if error["type"] != "default_factory_not_called"]
        raise SettingsError("; ".join(dict.fromkeys(_sentence(error, given) for error in errors))) from exc


def ignored_variables() -> list[str]:
    """The PAYK_ variables that are set, are no setting and resemble none. PAYK_TEST_ belongs to the tests."""
    return [name for name in _unknown(os.environ) if not get_close_matches(name, _known(), n=1, cutoff=0.8)]


def _known() -> frozenset[str]:
    own = frozenset(PREFIX + name.upper() for name in Settings.model_fields)
    return own | COMMAND_VARIABLES | SECRET_VARIABLES


def _unknown(names: Iterable[str]) -> list[str]:
    known = _known()
    return sorted(
        name
        for name in names
        if name.startswith(PREFIX) and name not in known and not name.startswith(f"{PREFIX}TEST_")
    )


def _refuse_misspelt(names: Iterable[str]) -> None:
    for name in _unknown(names):
        nearest = get_close_matches(name, _known(), n=1, cutoff=0.8)
        if nearest:
            raise SettingsError(f"{name} is no setting; did you mean {nearest[0]}?")


def _sentence(error: ErrorDetails, options: Mapping[str, Any]) -> str:
    """One clause such as `PAYK_PORT: '70000' should be less than or equal to 65535`."""
    field = str(error["loc"][0])
    name = f"--{field.replace('_', '-')}" if field in options else PREFIX + field.upper()
    wanted = error["msg"].removeprefix("Value error, ")
    if wanted.startswith("Input should"):
        wanted = wanted.removeprefix("Input ").partition(", unable to parse")[0]
    else:
        wanted = wanted[:1].lower() + wanted[1:]
    quotable = field not in _SECRETS and isinstance(error["input"], str | int | float)
    return f"{name}: {error['input']!r} {wanted}" if quotable else f"{name} {wanted}"
