"""The OpenAPI document of the public API, made from the tables that the API itself works with.

Version 3.0.3, the newest that the bundled Swagger UI shows.
"""

from __future__ import annotations

from typing import Any

from payk import __version__
from payk.domain.errors import ERRORS, Code, Field
from payk.domain.message import MessageState, Priority, SmsType
from payk.domain.search import LIMIT_MAX
from payk.domain.whereabouts import Cause
from payk.store.timeline import EventKind
from payk.text import Spelling
from payk.web.api.body import BULK, SINGLE
from payk.web.api.control import CANCELLED_MOST
from payk.web.api.described_reports import report_paths, report_schemas
from payk.web.api.idempotency import HEADER, KEY_MAX
from payk.web.api.listing import LIMIT, PARAMETERS
from payk.web.api.preview import ENCODINGS
from payk.web.api.splitting import BULK_ITEMS, ITEM_OCTETS
from payk.web.api.status import ASKED_MOST

__all__ = ["document"]

_TIME = "2025-02-17T10:20:30"
_MOMENT = "2025-02-17T10:20:30.123"
_ID = "123861959"

_FIELD_CODES = [code for code in Code if any(code.startswith(field) for field in Field)]
_ITEM_CODES = [*_FIELD_CODES, Code.DESTINATION_NOT_ALLOWED, Code.NUMBER_LIMIT_EXCEEDED]
_RULES = [
    *_ITEM_CODES, Code.PHONE_NUMBER_BLOCKED, Code.SMS_TYPE_NOT_ALLOWED, Code.PRIORITY_NOT_ALLOWED,
    Code.QUOTA_EXCEEDED, Code.BALANCE_INSUFFICIENT,
]  # fmt: skip
_ALWAYS = (
    Code.UNAUTHORIZED,
    Code.IP_ADDRESS_NOT_ALLOWED,
    Code.CLIENT_SUSPENDED,
    Code.RATE_LIMIT_EXCEEDED,
    Code.SERVICE_UNAVAILABLE,
)
_COMMAND = (
    Code.JSON_INVALID,
    Code.IDEMPOTENCY_KEY_INVALID,
    Code.IDEMPOTENCY_KEY_REUSED,
    Code.PAYLOAD_TOO_LARGE,
    Code.OUTCOME_UNKNOWN,
)
_POST = (*_COMMAND, Code.BALANCE_INSUFFICIENT, Code.QUOTA_EXCEEDED, Code.QUEUE_FULL)


def document() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Payk",
            "version": __version__,
            "description": "Send SMS and read their status. Times are UTC. Member names match without case and `_`.",
        },
        "security": [{"ApiKey": []}],
        "paths": {
            "/api/v1/sms": {"post": _send(), "get": _list()},
            "/api/v1/sms/bulk": {"post": _send_bulk()},
            "/api/v1/sms/{id}": {"get": _status(), "delete": _cancel_one()},
            "/api/v1/sms/{id}/events": {"get": _timeline()},
            "/api/v1/sms/cancel": {"post": _cancel()},
            "/api/v1/sms/pause": {"post": _pause()},
            "/api/v1/sms/resume": {"post": _resume()},
            "/api/v1/sms/status": {"post": _statuses()},
            "/api/v1/sms/preview": {"post": _preview()},
            **report_paths(
                _errors(Code.PARAMETER_INVALID, *_ALWAYS),
                _errors(Code.PARAMETER_INVALID, Code.MESSAGE_NOT_FOUND, *_ALWAYS),
            ),
        },
        "components": {
            "securitySchemes": {"ApiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}},
            "schemas": {
                "Message": _message(),
                "Taken": _taken(),
                "BulkTaken": _bulk_taken(),
                "Status": _status_object(),
                "Page": _page(),
                "StoredMessage": _stored_message(),
                "Ids": _object(MessageIds=_ids(ASKED_MOST)),
                "Statuses": _object(Statuses={"type": "array", "items": _reference("KnownStatus")}),
                "KnownStatus": _known_status(),
                "Preview": _preview_object(),
                "Spelling": _spelling(),
                "PreviewRoute": _preview_route(),
                "BrokenRule": _object(
                    Field={"type": "string", "enum": [*Field, None], "nullable": True},
                    Code={"type": "string", "enum": [Code.JSON_INVALID, *_RULES]},
                    Detail={"type": "string"},
                ),
                "Timeline": _timeline_object(),
                "Why": _why(),
                "Event": _event(),
                "NetworkError": _network_error(),
                "Rejection": _rejection(),
                "Choice": _choice(),
                "Label": _object(SmsLabel=_label()),
                "Cancelled": _cancelled(),
                "Held": _object(Messages=_count("Messages of the label that wait.")),
                **report_schemas(),
                "Error": _error(),
            },
        },
    }


def _send() -> dict[str, Any]:
    return {
        "summary": "Send one message",
        "description": f"At most {SINGLE.octets:,} octets; gzip is understood. Answered once the message is stored.",
        "operationId": "sendMessage",
        "parameters": [_idempotency_key()],
        "requestBody": _body(_reference("Message")),
        "responses": {
            "200": _answer(
                "Taken, or a repeat of a request that was",
                _reference("Taken"),
                {"X-Payk-Repeated": _header("`true` when the same key or ClientMessageId was taken before.")},
            ),
            **_errors(*_ITEM_CODES, *_POST, *_ALWAYS),
        },
    }


def _send_bulk() -> dict[str, Any]:
    return {
        "summary": "Send many messages",
        "description": (
            f"At most {BULK.octets:,} octets and {BULK_ITEMS:,} items of up to {ITEM_OCTETS:,} octets. Bad items do not"
            " spoil good ones, unless the client is set to all-or-nothing. All taken messages are stored in one"
            " transaction."
        ),
        "operationId": "sendMessages",
        "parameters": [
            {
                "name": "MessageIds",
                "in": "query",
                "description": "`true` adds the ids, one per item.",
                "schema": {"type": "boolean", "default": False},
            },
            _idempotency_key(),
        ],
        "requestBody": _body({"type": "array", "maxItems": BULK_ITEMS, "items": _reference("Message")}),
        "responses": {
            "200": _answer(
                "All or some were taken, or a repeat of a request that was",
                _reference("BulkTaken"),
                {"X-Payk-Repeated": _header("`true` when a request with the same key was taken before.")},
            ),
            **_errors(Code.ALL_MESSAGES_REJECTED, *_POST, *_ALWAYS),
        },
    }


def _status() -> dict[str, Any]:
    return {
        "summary": "Read the status of a message",
        "operationId": "readStatus",
        "parameters": [_id_in_path()],
        "responses": {
            "200": _answer("The status", _reference("Status")),
            **_errors(Code.MESSAGE_ID_INVALID, Code.MESSAGE_NOT_FOUND, *_ALWAYS),
        },
    }


def _list() -> dict[str, Any]:
    return {
        "summary": "List messages",
        "description": (
            "Your own messages that are all of what is named, newest first, without their texts. Where a search would"
            " look at too many it answers what it found, LookedBackTo and a Cursor to go on with."
        ),
        "operationId": "listMessages",
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": schema} for name, schema in _filters().items()
        ],
        "responses": {
            "200": _answer("A page", _reference("Page")),
            **_errors(Code.PARAMETER_INVALID, *_ALWAYS),
        },
    }


def _filters() -> dict[str, dict[str, Any]]:
    schemas = (
        _text("Number as a message may have it.", "992900900900"),
        _text("Your own id.", "order-17"),
        _text("Label.", "spring") | {"maxLength": 255},
        _text("Sender, in any case of letters.", "AlifBank"),
        _numbers(SmsType),
        _state() | {"description": "MessageState."},
        _text("Taken then or later, UTC; a day is its beginning.", f"{_TIME}Z"),
        _text("Taken before that.", f"{_TIME}Z"),
        _id() | {"description": "Cursor of the page before; messages older than those are listed."},
        {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT},
    )
    return dict(zip(map(str, PARAMETERS), schemas, strict=True))


def _statuses() -> dict[str, Any]:
    description = (
        f"Up to {ASKED_MOST:,} at once, in the order of the ids, each once. What is not yours has `CommandStatus`"
        f" `{Code.MESSAGE_NOT_FOUND}` and nothing else."
    )
    answer = _answer("The statuses", _reference("Statuses"), _repeated())
    codes = (Code.MESSAGE_ID_INVALID,)
    return _command(
        "Read the statuses of many messages", description, "readStatuses", _reference("Ids"), answer, *codes
    )


def _preview() -> dict[str, Any]:
    description = (
        "Takes one message and sends nothing: how its text is cut, which characters are dear, where it would go and"
        " why, and every rule that it breaks."
    )
    answer = _answer("What would become of it", _reference("Preview"), _repeated())
    return _command("Try a message out", description, "previewMessage", _reference("Message"), answer)


def _timeline() -> dict[str, Any]:
    return {
        "summary": "Read what happened to a message, when, and why it is where it is",
        "operationId": "readEvents",
        "parameters": [_id_in_path()],
        "responses": {
            "200": _answer("The timeline", _reference("Timeline")),
            **_errors(Code.MESSAGE_ID_INVALID, Code.MESSAGE_NOT_FOUND, *_ALWAYS),
        },
    }


def _cancel_one() -> dict[str, Any]:
    return {
        "summary": "Cancel a message",
        "description": "What no operator can have is deleted. Repeated, it is answered in the same way.",
        "operationId": "cancelMessage",
        "parameters": [_id_in_path()],
        "responses": {
            "200": _answer("It is Deleted, now or since before", _reference("Status")),
            **_errors(
                Code.MESSAGE_ID_INVALID,
                Code.MESSAGE_NOT_FOUND,
                Code.MESSAGE_ALREADY_SENT,
                Code.OUTCOME_UNKNOWN,
                *_ALWAYS,
            ),
        },
    }


def _cancel() -> dict[str, Any]:
    description = (
        f"By label, or up to {CANCELLED_MOST:,} by id: what no operator can have is deleted. Ids that are not yours"
        " count for nothing."
    )
    answer = _answer("What was cancelled", _reference("Cancelled"), _repeated())
    codes = (Code.MESSAGE_ID_INVALID, Code.SMS_LABEL_TOO_LONG)
    return _command("Cancel many messages", description, "cancelMessages", _reference("Choice"), answer, *codes)


def _pause() -> dict[str, Any]:
    description = "Within a second nothing of the label leaves, until it is resumed; ExpiresIn does not run meanwhile."
    answer = _answer("It is paused; so many messages wait", _reference("Held"), _repeated())
    codes = (Code.SMS_LABEL_TOO_LONG,)
    return _command("Hold back a label", description, "pauseLabel", _reference("Label"), answer, *codes)


def _resume() -> dict[str, Any]:
    description = "Within a second it flows again. A label that is not paused has 0 messages to let go."
    answer = _answer("It is resumed; so many messages waited", _reference("Held"), _repeated())
    codes = (Code.SMS_LABEL_TOO_LONG,)
    return _command("Let a label go", description, "resumeLabel", _reference("Label"), answer, *codes)


def _command(
    summary: str, description: str, name: str, body: dict[str, Any], answer: dict[str, Any], *codes: Code
) -> dict[str, Any]:
    """A POST that stores no message."""
    return {
        "summary": summary,
        "description": description,
        "operationId": name,
        "parameters": [_idempotency_key()],
        "requestBody": _body(body),
        "responses": {"200": answer, **_errors(*codes, *_COMMAND, *_ALWAYS)},
    }


def _id_in_path() -> dict[str, Any]:
    return {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "The MessageId that the request was answered with.",
        "schema": {"type": "integer", "format": "int64", "minimum": 0},
        "example": int(_ID),
    }


def _idempotency_key() -> dict[str, Any]:
    return {
        "name": HEADER,
        "in": "header",
        "description": (
            "Your own name for this request: repeated within 12 hours with the same body it gets the same answer and"
            " sends nothing twice."
        ),
        "schema": {"type": "string", "minLength": 1, "maxLength": KEY_MAX, "pattern": "^[!-~]+$"},
        "example": "0f4c2c8e-5a4e-4f0b-9d8e-3c1c6f1f7a10",
    }


def _message() -> dict[str, Any]:
    return {
        "type": "object",
        "required": [Field.PHONE_NUMBER, Field.TEXT, Field.SENDER_ADDRESS, Field.SMS_TYPE],
        "properties": {
            Field.PHONE_NUMBER: _text("Number with country code.", "992900900900"),
            Field.TEXT: _text("Any Unicode; long texts are sent in parts.", "Ваш код подтверждения: 12345"),
            Field.SENDER_ADDRESS: _text("A sender registered for the client.", "AlifBank") | {"maxLength": 15},
            Field.PRIORITY: _numbers(Priority) | {"default": int(Priority.NORMAL)},
            Field.SMS_TYPE: _numbers(SmsType),
            Field.SCHEDULED_AT: _text("When to send, UTC; past or absent = at once.", f"{_TIME}Z")
            | {"format": "date-time", "nullable": True},
            Field.EXPIRES_IN: {
                "type": "integer",
                "minimum": 0,
                "default": 0,
                "description": "Seconds in which the message must be sent; 0 = never expires.",
            },
            Field.SMS_LABEL: _text("Groups messages in reports.", "spring") | {"maxLength": 255, "nullable": True},
            Field.CLIENT_MESSAGE_ID: _text("Your own id; repeating it does not send twice.", "order-17")
            | {"maxLength": 255, "nullable": True},
        },
    }


def _taken() -> dict[str, Any]:
    return _object(
        MessageId=_text("Id of the message.", _ID),
        MessageResult=_text("`OK`.", "OK"),
        MessageError={"type": "boolean", "example": False},
    )


def _bulk_taken() -> dict[str, Any]:
    properties = {
        "Added": _count("Messages that were taken, repeats included."),
        "Rejected": _count("Messages that were not; only when there are any."),
        "Rejections": {"type": "array", "items": _reference("Rejection")},
        "MessageIds": {
            "type": "array",
            "items": {"type": "string", "nullable": True},
            "description": "With `MessageIds=true`: one per item, null where it was rejected.",
        },
        "Repeated": _count("Repeats among the taken; only when there are any."),
    }
    return {"type": "object", "required": ["Added"], "properties": properties}


def _rejection() -> dict[str, Any]:
    return _object(
        Index=_count("Place of the item in the request, from 0."),
        Code={"type": "string", "enum": [Code.JSON_INVALID, Code.PAYLOAD_TOO_LARGE, *_ITEM_CODES]},
        Detail={"type": "string"},
    )


def _choice() -> dict[str, Any]:
    return {
        "oneOf": [
            {"type": "object", "required": ["SmsLabel"], "properties": {"SmsLabel": _label()}},
            {"type": "object", "required": ["MessageIds"], "properties": {"MessageIds": _ids(CANCELLED_MOST)}},
        ]
    }


def _label() -> dict[str, Any]:
    return _text("The label of the messages that are meant.", "spring") | {"minLength": 1, "maxLength": 255}


def _ids(most: int) -> dict[str, Any]:
    return {"type": "array", "maxItems": most, "items": _id(), "description": "Ids of messages."}


def _id() -> dict[str, Any]:
    return {"type": "string", "pattern": "^[0-9]+$", "example": _ID}


def _cancelled() -> dict[str, Any]:
    properties = {
        "Cancelled": _count("Messages that are Deleted, now or since before."),
        "TooLate": _count("Messages that an operator has, may have or is just getting, or that are final."),
        "Done": {
            "type": "boolean",
            "description": "`false` while it goes on; nothing of what is left leaves. Absent when it is done.",
        },
    }
    return {"type": "object", "required": ["Cancelled", "TooLate"], "properties": properties}


def _status_object() -> dict[str, Any]:
    return _object(
        MessageId=_text("Id of the message.", _ID),
        CommandStatus=_text("`OK`.", "OK"),
        MessageState=_state(),
        DateSubmitted=_text("When it was taken, UTC.", _TIME),
        DateDone=_text("When its state became final, UTC; null before.", _TIME) | {"nullable": True},
    )


def _cut() -> dict[str, Any]:
    return {
        "Encoding": {"type": "string", "enum": list(ENCODINGS.values())},
        "Parts": _count("Parts that the text is sent in."),
        "Units": _count("Of all parts: septets of GSM7, or UTF-16 units of UCS2."),
        "CharactersLeft": _count("Units that could be added to the last part."),
        "Ends": {
            "type": "array",
            "items": {"type": "integer"},
            "description": "Where each part ends: characters (code points) from the beginning of the text in NFC.",
        },
    }


def _preview_object() -> dict[str, Any]:
    forced = _object(
        Character=_text("The character.", "ш"),
        At=_count("Where it stands first: characters before it in the text in NFC."),
        Count=_count("How often it stands there."),
    )
    money = {"type": "string", "nullable": True, "example": "0.12"}
    nothing = {name: schema | {"nullable": True} for name, schema in _cut().items()}
    nothing["Encoding"]["enum"] = [*nothing["Encoding"]["enum"], None]
    return _object(
        PhoneNumber=_text("The number in its normal form; null where it is none.", "992900900900") | {"nullable": True},
        **nothing,
        ForcedBy={"type": "array", "items": forced, "description": "The characters that GSM 03.38 does not hold."},
        Shorter=_or_null(_reference("Spelling"), "The spelling of fewer parts; null where none saves a part."),
        Route=_or_null(_reference("PreviewRoute"), "null where none leads there."),
        Price=money | {"description": "Of a part; null where your client is not prepaid."},
        Cost=money | {"description": "Of all parts."},
        Rejections={"type": "array", "items": _reference("BrokenRule"), "description": "Empty: it would be taken."},
    )


def _spelling() -> dict[str, Any]:
    kinds = [kind for kind in Spelling if kind is not Spelling.AS_IS]
    return _object(Spelling={"type": "string", "enum": kinds}, Text=_text("The text so.", "Vash kod"), **_cut())


def _preview_route() -> dict[str, Any]:
    operator = _object(
        Operator=_text("Name of the operator.", "tcell"),
        Weight=_count("Its share; 0 where the first gets all, or it is a fallback."),
        Carries={"type": "boolean", "description": "Whether it would be given the message, if it is up."},
        Why={"type": "string", "nullable": True},
    )
    return _object(
        Prefix=_text("What the number begins with, by the route.", "992"),
        Why={"type": "string"},
        Operators={"type": "array", "items": operator, "description": "In the order in which they are tried."},
    )


def _or_null(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"allOf": [schema], "nullable": True, "description": description}


def _known_status() -> dict[str, Any]:
    properties: dict[str, Any] = _status_object()["properties"]
    known = {"CommandStatus": {"type": "string", "enum": ["OK", Code.MESSAGE_NOT_FOUND]}}
    nothing = {name: properties[name] | {"nullable": True} for name in ("MessageState", "DateSubmitted", "DateDone")}
    nothing["MessageState"]["enum"] = [*nothing["MessageState"]["enum"], None]
    return _object(**properties | known | nothing)


def _page() -> dict[str, Any]:
    properties = {
        "Messages": {"type": "array", "items": _reference("StoredMessage")},
        "Cursor": _text("`Cursor` of the next page; null where there is nothing more.", _ID) | {"nullable": True},
        "LookedBackTo": _text("What came since was looked at; only where the search ended for its cost.", _TIME),
    }
    return {"type": "object", "required": ["Messages", "Cursor"], "properties": properties}


def _stored_message() -> dict[str, Any]:
    nothing = {"nullable": True}
    properties = {
        "MessageId": _text("Id of the message.", _ID),
        Field.CLIENT_MESSAGE_ID: _text("Your own id.", "order-17") | nothing,
        Field.PHONE_NUMBER: _text("Number with country code.", "992900900900"),
        Field.SENDER_ADDRESS: _text("The sender.", "AlifBank"),
        Field.SMS_TYPE: _numbers(SmsType),
        Field.PRIORITY: _numbers(Priority),
        Field.SMS_LABEL: _text("The label.", "spring") | nothing,
        "MessageState": _state(),
        "Reason": _text("Why it failed, in the words of reports; null where nobody knows, or it did not.", "cancelled")
        | nothing,
        "Parts": _count("Parts that the text is sent in."),
        "Operator": _text("That it was handed to last; null before.", "tcell") | nothing,
        "DateSubmitted": _text("When it was taken, UTC.", _TIME),
        Field.SCHEDULED_AT: _text("When it is due, UTC; null = at once.", _TIME) | nothing,
        "ExpiresAt": _text("By when it must be sent, UTC; null = never expires.", _TIME) | nothing,
        "DateSent": _text("When a part was last handed to an operator, UTC.", _TIME) | nothing,
        "DateDone": _text("When its state became final, UTC; null before.", _TIME) | nothing,
    }
    return {"type": "object", "required": list(properties), "properties": properties}


def _timeline_object() -> dict[str, Any]:
    return _object(
        MessageId=_text("Id of the message.", _ID),
        MessageState=_state(),
        Parts=_count("Parts that the text is sent in."),
        Why=_reference("Why"),
        Events={"type": "array", "items": _reference("Event"), "description": "In order of time."},
    )


def _why() -> dict[str, Any]:
    """What each code means is told in docs/en/api.md."""
    return _object(
        Code={
            "type": "string",
            "enum": list(Cause),
            "description": "Why it is where it is, for programs; a code keeps its meaning, and new ones may come.",
        },
        Detail=_text("The same for people; its words may change.", "It is being handed to an operator at this moment."),
        Until=_text("When what it waits for ends by itself, at the latest, UTC; null = no time is set.", _MOMENT)
        | {"nullable": True},
    )


def _event() -> dict[str, Any]:
    """Which kinds have which members is told in docs/en/api.md."""
    properties = {
        "Event": {"type": "string", "enum": list(EventKind)},
        "Time": _text("When, UTC.", _MOMENT),
        "Part": _count("Number of the part, from 1."),
        "Attempt": _count("Number of the submission, from 1; of a later wait: the one that it is for."),
        "Operator": _text("Name of the operator.", "tcell"),
        "OperatorMessageId": _text("The operator's id, as written.", "00A1"),
        "Until": _text("When a hold ends, or when it turned out that the operator has the part; UTC.", _MOMENT),
        "Reason": _text(
            "Why it is uncertain, or why the message failed, in the words of reports.", "no answer within 30 s"
        ),
        "CommandStatus": _text("What a refusal was answered with; its number where it has no name.", "ESME_RTHROTTLED"),
        "State": _state()
        | {"nullable": True, "description": "What a receipt was read as, null where it changes nothing; final state."},
        "RawState": _text("The state in the operator's own word.", "UNDELIV"),
        "Error": _text("`err:` of the receipt, as written.", "012"),
        "NetworkError": _reference("NetworkError"),
        "OperatorTime": _text("When the operator says it was done, by its own clock; UTC.", _MOMENT),
    }
    return {"type": "object", "required": ["Event", "Time"], "properties": properties}


def _network_error() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "network_error_code of the receipt (SMPP 3.4, 5.3.2.31), taken apart.",
        "required": ["Network", "Code"],
        "properties": {
            "Network": _text("Which network speaks; null where it does not say.", "GSM") | {"nullable": True},
            "Code": {
                "oneOf": [{"type": "integer"}, {"type": "string"}],
                "description": "The network's own code; octets in hex where there are not three.",
                "example": 27,
            },
        },
    }


def _error() -> dict[str, Any]:
    return _object(
        MessageId={"type": "string", "nullable": True, "description": "null."},
        MessageResult={"type": "string", "enum": list(Code)},
        MessageError={"type": "boolean", "example": True},
        Title={"type": "string"},
        Status={"type": "integer"},
        Detail={"type": "string"},
        Errors={
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
            "description": "Every broken field with its codes.",
        },
        Retryable={"type": "boolean", "description": "The same request may succeed later; it is safe to repeat it."},
        RequestId={"type": "string"},
    )


def _errors(*codes: Code) -> dict[str, Any]:
    """The answers for `codes`, by HTTP status."""
    by_status: dict[int, list[Code]] = {}
    for code in codes:
        by_status.setdefault(ERRORS[code].status, []).append(code)
    return {
        str(status): _answer(", ".join(f"`{code}`" for code in by_status[status]), _reference("Error"))
        for status in sorted(by_status)
    }


def _answer(description: str, schema: dict[str, Any], headers: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {"X-Request-Id": _header("Names this request in questions to support."), **(headers or {})},
        "content": {"application/json": {"schema": schema}},
    }


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _repeated() -> dict[str, Any]:
    return {"X-Payk-Repeated": _header("`true` when a request with the same key was carried out before.")}


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _text(description: str, example: str) -> dict[str, Any]:
    return {"type": "string", "description": description, "example": example}


def _count(description: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": 0, "description": description}


def _state() -> dict[str, Any]:
    return {"type": "string", "enum": [state.label for state in MessageState]}


def _numbers(kind: type[Priority] | type[SmsType]) -> dict[str, Any]:
    names = ", ".join(f"{value.value} {value.name.capitalize()}" for value in kind)
    return {"type": "integer", "enum": [int(value) for value in kind], "description": f"{names}."}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}
