"""The part of the OpenAPI document that is about reports."""

from __future__ import annotations

from typing import Any

from payk.domain.message import MessageState
from payk.domain.report import Dimension
from payk.store.reports import SHARES
from payk.web.report_query import Format
from payk.web.reports import MESSAGE_COLUMNS

__all__ = ["report_paths", "report_schemas"]

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_QUERY: dict[str, tuple[str, dict[str, Any]]] = {
    "GroupBy": (f"Some of {', '.join(Dimension)}; of the last four one.", {"type": "string", "example": "Day"}),
    "From": ("A day, or a time; of a time without an offset in TimeZone.", {"type": "string", "example": "2026-11-01"}),
    "To": ("Up to before this time or day.", {"type": "string", "example": "2026-12-01"}),
    "TimeZone": ("An IANA name.", {"type": "string", "default": "UTC", "example": "Asia/Dushanbe"}),
    "Format": ("What it comes as.", {"type": "string", "enum": list(Format), "default": "json"}),
    "SmsLabel": ("With this label; empty: without one.", {"type": "string", "maxLength": 255}),
    "SenderAddress": ("From this sender.", {"type": "string"}),
    "SmsType": ("Of this type.", {"type": "string", "enum": ["1", "2", "3", "Common", "Otp", "Batch"]}),
    "State": ("In this state.", {"type": "string", "enum": [state.label for state in MessageState]}),
    "Operator": ("Handed to this operator last.", {"type": "string"}),
    "Route": (
        (
            "By a route that has these operators and no others, whatever order it drew for each message; in this order"
            " where routes differ by it alone. Of a sender that only some of them carry: by these."
        ),
        {"type": "string", "example": "tcell,babilon"},
    ),
}  # fmt: skip


def report_paths(refused: dict[str, Any], not_found: dict[str, Any]) -> dict[str, Any]:
    """The paths; `refused` are the error answers that each has, `not_found` those of a label too."""
    return {
        "/api/v1/reports": {
            "get": {
                "summary": "Count messages by what became of them",
                "description": "By DateSubmitted; what changed is in the counts a few seconds later.",
                "operationId": "readReport",
                "parameters": _parameters(*(name for name in _QUERY if name != "State")),
                "responses": {"200": _file("The report", "Report"), **refused},
            }
        },
        "/api/v1/reports/messages": {
            "get": {
                "summary": "Take single messages away as a file",
                "description": "Newest first, without their texts. Name SmsLabel or From.",
                "operationId": "exportMessages",
                "parameters": _parameters(*(name for name in _QUERY if name not in ("GroupBy", "Route"))),
                "responses": {"200": _file("The messages", "ExportedMessages"), **refused},
            }
        },
        "/api/v1/reports/labels": {
            "get": {
                "summary": "See how the messages of a label stand",
                "description": "Without SmsLabel: the labels of the last 31 days.",
                "operationId": "readLabel",
                "parameters": _parameters("SmsLabel"),
                "responses": {
                    "200": {
                        "description": "The label, or the labels",
                        "content": {
                            "application/json": {
                                "schema": {"oneOf": [_reference("LabelProgress"), _reference("Labels")]}
                            }
                        },
                    },
                    **not_found,
                },
            }
        },
    }


def report_schemas() -> dict[str, Any]:
    """The objects."""
    count = {"type": "integer", "minimum": 0}
    nullable = {"type": "string", "nullable": True}
    by_state = {"type": "object", "properties": {state.label: count for state in MessageState}}
    percentiles = {
        "type": "object",
        "description": "Seconds, at most 5 % off; null where nothing was timed.",
        "properties": {f"P{share * 100:g}": {"type": "number", "nullable": True} for share in SHARES},
    }
    failures = {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"MessageState": {"type": "string"}, "Reason": nullable, "Messages": count},
            "required": ["MessageState", "Reason", "Messages"],
        },
    }
    row = {
        **{str(dimension): {**nullable, "description": "Where grouped by it."} for dimension in Dimension},
        "OtherLabels": {
            "type": "boolean",
            "description": "It stands for labels beyond those of a day that are told apart.",
        },
        "Messages": count,
        "Parts": count,
        "States": by_state,
        "PartsByState": by_state,
        "DeliveryRate": {"type": "number", "nullable": True, "description": "Delivered of those that came to an end."},
        "Price": {"type": "string", "description": "What was charged."},
        "SecondsToSubmit": percentiles,
        "SecondsToDelivered": percentiles,
        "Failures": failures,
    }
    counts = ("Planned", "Parts", "Scheduled", "Held", "Queued", "Submitted", "Delivered", "Failed")
    progress = {
        "SmsLabel": {"type": "string"},
        **dict.fromkeys(counts, count),
        "Failures": failures,
        "MessagesPerSecond": {"type": "number", "description": "That were submitted, over the last minutes."},
        "LastDue": {**nullable, "description": "The last minute at which scheduled ones become due."},
        "EndsAt": {
            **nullable,
            "description": "When all that is queued or scheduled will have left at this rate, LastDue at the earliest;"
            " null while nothing moves or some are held.",
        },
    }
    beyond = {
        "OtherLabels": {
            "type": "boolean",
            "description": "On some of its days counts do not tell it apart; its messages that are stored are counted.",
        },
        "AtLeast": {"type": "boolean", "description": "More messages than are counted for that: these are not all."},
    }
    seen = {
        "SmsLabel": {"type": "string"},
        **dict.fromkeys(("Messages", "Delivered", "Failed"), count),
        "LastDay": {"type": "string", "format": "date"},
    }
    exported: dict[str, Any] = {column: {} for column in MESSAGE_COLUMNS}
    return {
        "Report": _object(
            {
                "From": {
                    "type": "string",
                    "description": "On a whole quarter of an hour, with the offset of TimeZone.",
                },
                "To": {"type": "string", "description": "Up to before this time."},
                "TimeZone": {"type": "string"},
                "GroupBy": {"type": "array", "items": {"type": "string"}},
                "CountedSince": {**nullable, "description": "Older messages are still being counted; null: all are."},
                "Rows": {
                    "type": "array",
                    "items": {
                        **_object(row),
                        "required": [name for name in row if name not in (*Dimension, "OtherLabels")],
                    },
                },
            }
        ),
        "ExportedMessages": _object({"Messages": {"type": "array", "items": _object(exported)}}),
        "LabelProgress": {**_object({**progress, **beyond}), "required": list(progress)},
        "Labels": _object({"Labels": {"type": "array", "items": _object(seen)}}),
    }


def _parameters(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "description": _QUERY[name][0], "schema": _QUERY[name][1]} for name in names]


def _file(description: str, schema: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {
            "application/json": {"schema": _reference(schema)},
            "text/csv": {"schema": {"type": "string"}},
            _XLSX: {"schema": {"type": "string", "format": "binary"}},
        },
    }


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}
