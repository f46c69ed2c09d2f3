"""The keys of a registry file, table by table: how each is read, what it is when nobody wrote it, what it means.

One table serves the reader of files, the loader of the directory and the documentation. The stored form of a value is
what JSON can hold; `Option.decode` makes of it what the domain works with.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final
from zoneinfo import ZoneInfo

from payk.domain.account import BulkPolicy, UncertainPolicy
from payk.domain.address import NATIONAL_DIGITS
from payk.domain.health import RECEIPT_DELAY_MAX
from payk.domain.message import SmsType
from payk.domain.operator import DEFAULT_TON_NPI, AddressKind, BindMode, IdMode, LongText, TlsSettings, ValidityForm
from payk.registry.key import Key, Option
from payk.registry.limit_options import LIMITS
from payk.registry.value import (
    Place,
    Reader,
    boolean,
    choice,
    decode_moment,
    decode_networks,
    described,
    integer,
    listing,
    mapping,
    moment,
    money,
    money_text,
    networks,
    number,
    schema_of,
    shown,
    text,
)
from payk.smpp.status import StatusClass

__all__ = [
    "API_KEY",
    "CLIENT",
    "DEFAULTS",
    "LINK",
    "OPERATOR",
    "ROUTE",
    "SENDER",
    "TABLES",
    "FromEnvironment",
    "NamedKey",
    "Sealed",
]

DAYS_30: Final = 2_592_000


@dataclass(frozen=True, slots=True)
class NamedKey:
    """An API key that a file names: the SHA-256 digests that it may be stored under."""

    path: str
    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as an export writes it: encrypted under PAYK_SECRET_KEY."""

    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FromEnvironment:
    """A secret that stands in an environment variable."""

    variable: str


@described({"type": "string", "minLength": 32, "maxLength": 255, "writeOnly": True})
def _api_key(value: object, place: Place) -> NamedKey | None:
    right = "write a key of 32 to 255 visible ASCII characters, such as a UUID"
    found = text(r"[!-~]{32,255}", right, secret=True)(value, place)
    return NamedKey(place.path, (_digest(found),)) if found else None


@described({"type": "string", "pattern": "^[0-9a-fA-F]{64}$"})
def _digest_of_key(value: object, place: Place) -> NamedKey | None:
    found = text(r"[0-9a-fA-F]{64}", "write the SHA-256 of the key as 64 hex digits", secret=True)(value, place)
    return NamedKey(place.path, (bytes.fromhex(found),)) if found else None


@described({"type": "string"})
def _revoked_key(value: object, place: Place) -> NamedKey | None:
    right = "write the key, or its SHA-256 as 64 hex digits"
    found = text(r"[!-~]{32,255}", right, secret=True)(value, place)
    if not found:
        return None
    as_digest = (bytes.fromhex(found),) if re.fullmatch(r"[0-9a-fA-F]{64}", found) else ()
    return NamedKey(place.path, (_digest(found), *as_digest))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("ascii")).digest()


@described({"type": ["integer", "string", "null"], "examples": [1, "otp"]})
def _sms_type(value: object, place: Place) -> int | None:
    if value == "":
        return None
    if isinstance(value, str) and value.upper() in SmsType.__members__:
        return int(SmsType[value.upper()])
    if isinstance(value, int) and not isinstance(value, bool) and value in list(SmsType):
        return value
    place.wrong(f"{shown(value)} is no SmsType", 'write 1 or "common", 2 or "otp", 3 or "batch", or "" for none')
    return None


@described({"type": ["string", "null"], "examples": ["992"]})
def _country(value: object, place: Place) -> str | None:
    codes = ", ".join(f'"{code}"' for code in NATIONAL_DIGITS)
    right = f'write a country code whose national numbers all have one length ({codes}), or "" for none'
    return text(f"({'|'.join(NATIONAL_DIGITS)})?", right)(value, place) or None


@described({"type": ["string", "null"], "examples": ["smsc.example.com"]})
def _host(value: object, place: Place) -> str | None:
    right = "write a host name or an IP address; the port is a key of its own"
    if isinstance(value, str):
        try:
            return str(ip_address(value))
        except ValueError:
            pass
    return text(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]*)(\.[A-Za-z0-9_-]+)*\.?", right)(value, place)


@described({"type": ["string", "object"], "writeOnly": True})
def _password(value: object, place: Place) -> str | FromEnvironment | Sealed | None:
    if isinstance(value, dict):
        if value.keys() == {"sealed"}:
            octets = text(r"([0-9a-f]{2})+", "write what `payk export` wrote", secret=True)(
                value["sealed"], place.key("sealed")
            )
            return Sealed(bytes.fromhex(octets)) if octets else None
        if value.keys() != {"env"}:
            place.wrong("this table is not understood", 'write {env = "NAME"}')
            return None
        name = text(r"[A-Za-z_][A-Za-z0-9_]*", "write the name of an environment variable")(
            value["env"], place.key("env")
        )
        return name and FromEnvironment(name)
    return PASSWORD_TEXT(value, place)


PASSWORD_TEXT: Final = text(
    r"[ -~]{0,64}", 'write at most 64 printable ASCII characters in quotes, or {env = "NAME"}', secret=True
)


@described({"type": "integer", "enum": [0x33, 0x34, 0x50]})
def _version(value: object, place: Place) -> int | None:
    if isinstance(value, int) and value in (0x33, 0x34, 0x50):
        return value
    place.wrong(f"{shown(value)} is no version of SMPP", "write 0x33, 0x34 or 0x50")
    return None


@described({"type": "object", "additionalProperties": {"type": "array", "items": {"type": "integer"}}})
def _ton_npi(value: object, place: Place) -> Mapping[str, list[int]]:
    return {**_DEFAULT_TON_NPI, **(_TON_NPI(value, place) or {})}


def _pair(value: object, place: Place) -> list[int] | None:
    if isinstance(value, list) and len(value) == 2:
        ton, npi = (integer(0, 255)(part, place.item(index)) for index, part in enumerate(value))
        return None if ton is None or npi is None else [ton, npi]
    place.wrong(f"{shown(value)} is not a pair", "write [TON, NPI], such as [5, 0]")
    return None


_TON_NPI = mapping(choice(AddressKind), _pair, example="{alnum = [5, 0]}")
_DEFAULT_TON_NPI: Final = {kind.value: list(pair) for kind, pair in DEFAULT_TON_NPI.items()}


def _code(high: int) -> Reader[str]:
    right = f"write a number from 0 to {high}, or in hex from 0x00 to {high:#x}"

    def read(value: object, place: Place) -> str | None:
        found = text(r"0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10}", right)(value, place)
        if found is None:
            return None
        code = int(found, 16 if found[:2].lower() == "0x" else 10)
        if code > high:
            place.wrong(f"{shown(found)} is out of range", right)
            return None
        return str(code)

    return read


@described({"type": "object", "additionalProperties": {"type": "string"}})
def _charset_map(value: object, place: Place) -> list[list[str]] | None:
    example = '{0 = "gsm", 8 = "ucs2"}'
    seen = len(place.problems)
    found = mapping(_code(255), choice(("gsm", "gsm-packed", "ascii", "latin1", "ucs2")), example=example)(value, place)
    if found is None:
        return None
    if "ucs2" not in found.values() and len(place.problems) == seen:
        place.wrong("no data_coding means ucs2, so no Cyrillic text could be sent", f"write a table such as {example}")
    # The first charset that holds a text is taken, and a JSON object would not keep the order.
    return [[code, charset] for code, charset in found.items()]


@described({"type": "string", "examples": ["Asia/Dushanbe"]})
def _timezone(value: object, place: Place) -> str | None:
    right = 'write a name of the time zone database, such as "Asia/Dushanbe" or "UTC"'
    found = text(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", right)(value, place)
    if found is None:
        return None
    try:
        ZoneInfo(found)
    except (ValueError, OSError, KeyError):  # KeyError: ZoneInfoNotFoundError
        place.wrong(f"{shown(found)} is no time zone", right)
        return None
    return found


@described({"type": ["boolean", "object", "null"]})
def _tls(value: object, place: Place) -> Mapping[str, Any] | None:
    if isinstance(value, bool):
        return dict(_NO_TLS_FILES) if value else None
    if not isinstance(value, dict):
        place.wrong(f"{shown(value)} is neither true, false nor a table", 'write true, or {ca = "/etc/ssl/ca.pem"}')
        return None
    found = dict(_NO_TLS_FILES)
    for name, element in value.items():
        if name == "verify":
            found[name] = boolean(element, place.key(name))
        elif name in _NO_TLS_FILES:
            found[name] = text(r"/[^\x00-\x1f]+", "write the absolute path of a PEM file")(element, place.key(name))
        else:
            place.key(name).wrong("unknown key", f"known here: {', '.join(_NO_TLS_FILES)}")
    if "key" in value and "certificate" not in value:
        place.key("key").wrong("a key without its certificate", "write certificate too")
    return found


_NO_TLS_FILES: Final[Mapping[str, Any]] = {"ca": None, "certificate": None, "key": None, "verify": True}

_TYPES: Final = choice([kind.name.lower() for kind in SmsType])
_NAME: Final = text(
    r"(?! )[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{1,64}(?<! )",
    "write 1 to 64 characters, without blanks at the ends",
)
_SENDER: Final = text(
    r"(?=[ -?A-~]{1,15}\Z)[^ ](.*[^ ])?",
    "write 1 to 15 printable ASCII characters without @, and without blanks at the ends",
)
_UNCERTAIN: Final = mapping(_TYPES, choice(UncertainPolicy), example='{otp = "resend", batch = "hold"}')


def _or_none(read: Reader[str]) -> Reader[str]:
    """The same, where "" stands for none."""
    schema = schema_of(read)

    @described({**schema, "type": [schema["type"], "null"], "pattern": f"^$|{schema['pattern']}"})
    def read_or_none(value: object, place: Place) -> str | None:
        return None if value == "" else read(value, place)

    return read_or_none


def _decode_sms_type(value: int | None) -> SmsType | None:
    return None if value is None else SmsType(value)


def _decode_uncertain(value: Mapping[str, str]) -> Mapping[SmsType, UncertainPolicy]:
    return {SmsType[name.upper()]: UncertainPolicy(policy) for name, policy in value.items()}


def _decode_codes(value: Mapping[str, str]) -> Mapping[int, str]:
    return {int(code): word for code, word in value.items()}


CLIENT: Final[Mapping[str, Key]] = {
    "name": Key(_NAME, "Name of the client; what it is known by."),
    "api_keys": Key(
        listing(_api_key, noun="API keys", same=lambda key: key.digests[0]),
        "Keys that open the API for it, at least 32 visible ASCII characters each; kept as SHA-256. Only ever adds.",
    ),
    "api_key_sha256": Key(
        listing(_digest_of_key, noun="digests", same=lambda key: key.digests[0]),
        "The same, as SHA-256 in 64 hex digits.",
    ),
    "revoked_keys": Key(
        listing(_revoked_key, noun="API keys", same=lambda key: key.digests[0]),
        "Keys that no longer open it, or their SHA-256; for good.",
    ),
    "senders": Key(
        listing(_SENDER, noun="sender names", same=str.lower),
        "Registered sender names, 1-15 printable ASCII characters without @; one that is missing here is disabled.",
    ),
    "enabled": Option(boolean, "false suspends the client.", True),
    "default_sms_type": Option(
        _sms_type, "SmsType of requests that name none: 1 or common, 2 or otp, 3 or batch.", None, _decode_sms_type
    ),
    "default_country": Option(_country, "Country code put before national numbers, such as 992.", None),
    "repeat_window": Option(
        integer(0, DAYS_30, unit="seconds"),
        "Seconds in which the same number, sender and text without a ClientMessageId counts as a repeat; 0 = never.",
        0,
    ),
    "client_message_id_window": Option(
        integer(0, DAYS_30, unit="seconds"), "Seconds in which a ClientMessageId is remembered.", 43_200
    ),
    "bulk": Option(
        choice(BulkPolicy), "What one bad item does to a bulk: partial or all-or-nothing.", "partial", BulkPolicy
    ),
    "max_parts": Option(integer(1, 255), "Parts that one text may have.", 20),
    "text_days": Option(
        integer(0, 3650, unit="days"),
        "Days after which a text that is no Otp is wiped, counted from when the operator took its last part or the "
        "message became final; 0 = it is kept as long as the message. Those of Otp: `PAYK_OTP_TEXT_MINUTES`.",
        0,
    ),
    "uncertain": Option(
        _UNCERTAIN,
        "By SmsType, resend or hold: what follows a submit that was never answered; hold on either side wins.",
        {},
        _decode_uncertain,
    ),
    **LIMITS,
}

API_KEY: Final[Mapping[str, Key]] = {
    "key": Key(_api_key, "The key itself; kept as SHA-256."),
    "sha256": Key(_digest_of_key, "Or its SHA-256, as 64 hex digits."),
    "label": Option(text(r"[^\x00-\x1f\x7f]{0,100}", "write at most 100 characters"), "What it is for.", ""),
    "expires_at": Option(moment, "When it ceases to open anything, such as 2027-01-01T00:00:00Z.", None, decode_moment),
    "allow_from": Option(
        networks,
        'Addresses that a caller with it may come from, such as ["10.1.0.0/16"]; [] = any.',
        [],
        decode_networks,
    ),
    "revoked": Key(boolean, "true: it no longer opens anything, for good."),
}

SENDER: Final[Mapping[str, Key]] = {
    "name": Key(_SENDER, "The name; the same in any case of letters."),
    "status": Option(
        choice(("requested", "approved", "rejected", "withdrawn")),
        "requested, approved, rejected or withdrawn; messages are taken from approved ones only.",
        "approved",
    ),
    "reason": Option(
        text(r"[^\x00-\x1f\x7f]{0,255}", "write at most 255 characters"),
        "Why it is wanted, or why it was rejected.",
        "",
    ),
    "expires_at": Option(moment, "When its approval ends, such as 2027-01-01T00:00:00Z.", None, decode_moment),
    "operators": Option(
        listing(_NAME, noun="operators"),
        "Names of the operators that carry it; the others of a route are left out for it. [] = all carry it.",
        [],
    ),
}

OPERATOR: Final[Mapping[str, Key]] = {
    "name": Key(_NAME, "Name of the operator; what it is known by."),
    "enabled": Option(boolean, "false stops every link of it.", True),
    "draining": Option(
        boolean,
        "true gives nothing new to any link of it: the next operators of each route carry, its binds stay.",
        False,
    ),
    "health": Option(
        boolean,
        "true lets the next operators of each route carry while it is bound and takes no messages.",
        True,
    ),
    "health_refused": Option(
        number(0.05, 1, unit="share of messages"),
        "Share of its messages of 30 s, 0.05 to 1, that it refuses by its own fault or leaves unanswered, from which "
        "it counts as sick.",
        0.5,
    ),
    "health_receipts": Option(
        number(0, 1, unit="share of messages"),
        "Share of its messages of 5 minutes, 0 to 1, whose final receipt has to come within `health_delay`; below it "
        "it counts as sick. 0 = receipts are not looked at.",
        0.0,
    ),
    "health_delay": Option(
        integer(1, RECEIPT_DELAY_MAX, unit="seconds"),
        "Seconds within which receipts come that count for `health_receipts`.",
        60,
    ),
}

LINK: Final[Mapping[str, Key]] = {
    "name": Key(_NAME, "Name of the link; without it OPERATOR-1, OPERATOR-2 and so on by place."),
    "password": Key(
        _password,
        'SMPP password, text or {env = "NAME"}; kept encrypted under PAYK_SECRET_KEY. A change of `host`, `port` or '
        "`tls` takes it again.",
    ),
    "enabled": Option(boolean, "false stops it.", True),
    "draining": Option(boolean, "true gives nothing new to it; its binds stay, and what it has is finished.", False),
    "host": Option(_host, "Host name or IP address of the operator's SMSC. A new link needs it.", None),
    "port": Option(integer(1, 65_535), "Its TCP port. A new link needs it.", None),
    "system_id": Option(
        text(r"[ -~]{1,15}", "write 1 to 15 printable ASCII characters"),
        "Name of the account. A new link needs it.",
        None,
    ),
    "bind": Option(choice(BindMode), "transceiver, or transmitter+receiver.", "transceiver", BindMode),
    "binds": Option(integer(1, 100), "Sessions held at once, over all processes.", 1),
    "window": Option(integer(1, 10_000), "Unanswered submit_sm at once, per bind.", 100),
    "rate": Option(
        number(0, 100_000, unit="submit_sm a second"),
        "submit_sm a second of the whole link, over all binds and processes; 0 = as fast as the windows allow.",
        0.0,
    ),
    "response_timeout": Option(
        number(0.1, 600, unit="seconds"), "Seconds without an answer after which a submit is uncertain.", 30.0
    ),
    "enquire_interval": Option(
        number(1, 3600, unit="seconds"),
        "Seconds of silence after which enquire_link asks whether the peer lives.",
        30.0,
    ),
    "enquire_always": Option(boolean, "Whether enquire_link is sent at each interval, also under traffic.", False),
    "alnum_max": Option(integer(1, 15), "Longest alphanumeric sender that the operator carries.", 15),
    "min_validity": Option(
        integer(0, DAYS_30, unit="seconds"), "Seconds of validity_period that the operator is given at least.", 300
    ),
    "validity": Option(
        choice(ValidityForm),
        "How validity_period is written: absolute (UTC), relative (from now), or none (left to the operator).",
        "absolute",
        ValidityForm,
    ),
    "interface_version": Option(
        _version, "SMPP version offered: 0x33, 0x34 or 0x50; with 0x33 no optional parameters are sent.", 0x34
    ),
    "system_type": Option(text(r"[ -~]{0,12}", "write at most 12 printable ASCII characters"), "As agreed.", ""),
    "service_type": Option(
        text(r"[ -~]{0,5}", "write at most 5 printable ASCII characters"), "As agreed, such as CMT.", ""
    ),
    "address_range": Option(text(r"[ -~]{0,40}", "write at most 40 printable ASCII characters"), "As agreed.", ""),
    "ton_npi": Option(
        _ton_npi,
        "[TON, NPI] by kind of address: alnum, short (up to 8 digits), national (begins with 0), international (other "
        "digits); what is not named keeps its default.",
        _DEFAULT_TON_NPI,
        lambda value: {AddressKind(kind): (ton, npi) for kind, (ton, npi) in value.items()},
    ),
    "charset_map": Option(
        _charset_map,
        "What the operator means by a data_coding: gsm, gsm-packed (7 bits a character), ascii, latin1 or ucs2; the "
        "whole table, preferred ones first.",
        [["0", "gsm"], ["8", "ucs2"]],
        lambda value: {int(code): charset for code, charset in value},
        dict,
    ),
    "long_text": Option(choice(LongText), "How long texts travel: udh8, udh16, sar or payload.", "udh8", LongText),
    "id_mode": Option(
        choice(IdMode),
        "Base of ids in answers and in receipts: raw (the same), hex-dec, dec-hex, or learn (`payk check` shows what "
        "was learned).",
        "learn",
        IdMode,
    ),
    "receipt_timezone": Option(_timezone, "Time zone of the dates in the texts of receipts.", "UTC"),
    "text_receipts": Option(boolean, "Whether a deliver_sm that only looks like a receipt may be one.", False),
    "status_classes": Option(
        mapping(
            _code(0xFFFFFFFF),
            choice([word.value for word in StatusClass if word is not StatusClass.OK]),
            example='{0x45 = "temporary"}',
        ),
        "Classes of command_status where this operator means its own; the whole table.",
        {},
        _decode_codes,
    ),
    "priority_map": Option(
        mapping(_TYPES, integer(0, 3), example="{otp = 3}"),
        "priority_flag by SmsType, 0-3; 0 where nothing is written.",
        {},
        lambda value: {SmsType[name.upper()]: flag for name, flag in value.items()},
    ),
    "uncertain": Option(_UNCERTAIN, "As for a client.", {}, _decode_uncertain),
    "tls": Option(
        _tls,
        "true, or a table of ca, certificate, key (absolute paths of PEM files) and verify.",
        None,
        lambda value: None if value is None else TlsSettings(**value),
        lambda value: {name: part for name, part in value.items() if part is not None},
    ),
}

ROUTE: Final[Mapping[str, Key]] = {
    "prefix": Key(
        text(r"[0-9]{0,15}", 'write at most 15 digits in quotes, such as "992", or "" for every number'),
        "Digits that a number begins with. Of the routes that fit, one that names a client wins, then one that names a "
        "sender, then a type; among those alike the longest prefix.",
    ),
    "client": Key(_or_none(_NAME), 'Name of the client that it is for alone; "" = every client.'),
    "sender": Key(_or_none(_SENDER), 'The sender that it is for alone, the same in any case of letters; "" = any.'),
    "sms_type": Key(_sms_type, 'The SmsType that it is for alone: 1 or common, 2 or otp, 3 or batch; "" = any.'),
    "operators": Key(
        listing(_NAME, noun="operators", least=1), "Names of operators: the first that is up, the rest are fallbacks."
    ),
    "enabled": Option(boolean, "false takes the rule away.", True),
    "price": Option(money, 'What a part costs a prepaid client, such as "0.12".', 0, write=money_text),
    "weights": Option(
        mapping(_NAME, integer(0, 1_000), example="{tcell = 70, megafon = 30}"),
        "Shares of its messages by operator, such as {tcell = 70, megafon = 30}; one that is not named is a fallback "
        "alone. {} = the first gets all.",
        {},
    ),
    "costs": Option(
        mapping(_NAME, money, example='{tcell = "0.08", megafon = "0.1"}'),
        'What a part costs the centre, by operator, such as {tcell = "0.08", megafon = "0.1"}; for `order`.',
        {},
        write=lambda value: {name: money_text(cost) for name, cost in value.items()},
    ),
    "order": Option(
        choice(("written", "price")),
        "written: operators come as they are listed; price: the cheapest of `costs` first, those without one last.",
        "written",
    ),
}

TABLES: Final[Mapping[str, Mapping[str, Key]]] = {
    "client": CLIENT,
    "client.key": API_KEY,
    "client.sender": SENDER,
    "operator": OPERATOR,
    "operator.link": LINK,
    "route": ROUTE,
}
"""Every key that a registry file may hold."""

DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    heading: {name: key.default for name, key in keys.items() if isinstance(key, Option)}
    for heading, keys in TABLES.items()
}
"""What a setting is where nobody wrote it, in stored form."""
