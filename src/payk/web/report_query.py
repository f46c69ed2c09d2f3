"""What a report, or an export of messages, is asked by the query string of either site."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeVar
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from payk.domain.report import (
    Period,
    ReportAsked,
    ReportRefused,
    known_zone,
    moment,
    periods,
    read_dimensions,
)
from payk.domain.search import MessageSearch
from payk.web.kinds import sms_type_of, state_of

__all__ = ["Format", "MessageQuery", "ReportQuery", "asked_label", "members_of"]

_LABEL_MAX: Final = 255
_FIELDS_MOST: Final = 100
_Kind = TypeVar("_Kind")


class Format(StrEnum):
    """What a report comes as."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


def members_of(query: str, known: Sequence[str]) -> dict[str, str]:
    """The members of a query string by the names that are known, compared without case and underscores.

    Empty values count as absent, but for SmsLabel, where it means messages without one. Raises ReportRefused.
    """
    names = {name.lower(): name for name in known}
    found: dict[str, str] = {}
    try:
        given = parse_qsl(query, keep_blank_values=True, max_num_fields=_FIELDS_MOST)
    except ValueError as error:
        raise ReportRefused("?", f"more than {_FIELDS_MOST} members") from error
    for written, value in given:
        name = names.get(written.replace("_", "").lower())
        if name is None:
            raise ReportRefused(written[:40] or "?", f"not known here; known are {', '.join(known)}")
        if name in found:
            raise ReportRefused(name, "given twice")
        if "\0" in value or "\ufffd" in value:
            raise ReportRefused(name, "it holds what no text holds")
        if name == "SmsLabel":
            found[name] = value  # as it was sent, blanks and all
        elif value.strip():
            found[name] = value.strip()
    return found


@dataclass(frozen=True, slots=True)
class ReportQuery:
    """A report that can be made."""

    asked: ReportAsked
    periods: list[Period]
    zone: ZoneInfo
    format: Format

    MEMBERS = (
        "GroupBy", "From", "To", "TimeZone", "Format", "SmsLabel", "SenderAddress", "SmsType", "Operator", "Route",
    )  # fmt: skip

    @classmethod
    def of(cls, members: Mapping[str, str], now: datetime, client_id: int | None) -> ReportQuery:
        """The report that members of a query ask for, of one client or (None) of all."""
        zone = known_zone(members.get("TimeZone", "UTC"))
        group_by = read_dimensions(members.get("GroupBy", ""))
        begins, ends = _span(members, zone)
        asked = ReportAsked(
            group_by,
            now,
            now,
            client_id=client_id,
            label=_label(members),
            sender=members.get("SenderAddress"),
            sms_type=_kind(members, "SmsType", sms_type_of),
            operator=members.get("Operator"),
            route=members.get("Route"),
        )
        begin, end, found = periods(begins, ends, zone, now, asked.period)
        asked = ReportAsked(
            group_by,
            begin,
            end,
            asked.client_id,
            asked.label,
            asked.sender,
            asked.sms_type,
            asked.operator,
            asked.route,
        )
        return cls(asked, found, zone, _format(members))


@dataclass(frozen=True, slots=True)
class MessageQuery:
    """An export of single messages."""

    search: MessageSearch
    zone: ZoneInfo
    format: Format

    MEMBERS = (
        "From", "To", "TimeZone", "Format", "SmsLabel", "SenderAddress", "SmsType", "State", "Operator",
    )  # fmt: skip

    @classmethod
    def of(cls, members: Mapping[str, str], client: str | None) -> MessageQuery:
        """The messages of a client, by name, or (None) of all; a label or a time must be named. ReportRefused."""
        zone = known_zone(members.get("TimeZone", "UTC"))
        begins, ends = _span(members, zone)
        label = _label(members)
        if begins is None and not label:
            raise ReportRefused("From", "missing; name From, a day for example, or SmsLabel")
        if begins is not None and ends is not None and begins.astimezone(UTC) >= ends.astimezone(UTC):
            raise ReportRefused("To", "it must lie behind From")
        if label is not None and client is None:
            raise ReportRefused("SmsLabel", "each client has its own; name Client too")
        if label == "":
            raise ReportRefused("SmsLabel", "empty; name a label")
        search = MessageSearch(
            client=client,
            label=label,
            sender=members.get("SenderAddress"),
            sms_type=_kind(members, "SmsType", sms_type_of),
            state=_kind(members, "State", state_of),
            operator=members.get("Operator"),
            accepted_from=begins,
            accepted_before=ends,
        )
        return cls(search, zone, _format(members))


def asked_label(members: Mapping[str, str]) -> str | None:
    """The label whose progress is asked for, or None: which labels there are. Raises ReportRefused."""
    return _label(members) or None


def _span(members: Mapping[str, str], zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    begins, ends = members.get("From"), members.get("To")
    return (
        None if begins is None else moment("From", begins, zone),
        None if ends is None else moment("To", ends, zone),
    )


def _label(members: Mapping[str, str]) -> str | None:
    label = members.get("SmsLabel")
    if label is not None and len(label) > _LABEL_MAX:
        raise ReportRefused("SmsLabel", f"longer than {_LABEL_MAX} characters, which no label is")
    return label


def _kind(members: Mapping[str, str], name: str, read: Callable[[str], _Kind]) -> _Kind | None:
    written = members.get(name)
    try:
        return None if written is None else read(written)
    except ValueError as error:
        raise ReportRefused(name, str(error)) from error


def _format(members: Mapping[str, str]) -> Format:
    try:
        return Format(members.get("Format", Format.JSON).lower())
    except ValueError as error:
        raise ReportRefused("Format", f"one of {', '.join(Format)}") from error
