"""What a route is called where people read: by what it matches."""

from __future__ import annotations

import json

from payk.domain.message import SmsType
from payk.store.registry import EVERY_NUMBER, RouteKey

__all__ = ["EVERY_NUMBER", "route_name"]


def route_name(key: RouteKey) -> str:
    """The prefix, `""` where there is none; with conditions such as `992 for client "bank", sender "Bank", otp`."""
    conditions = [
        *([] if key.client is None else [f"client {json.dumps(key.client, ensure_ascii=False)}"]),
        *([] if key.sender is None else [f"sender {json.dumps(key.sender)}"]),
        *([] if key.sms_type is None else [SmsType(key.sms_type).name.lower()]),
    ]
    if not conditions:
        return key.prefix
    return f"{key.prefix or EVERY_NUMBER} for {', '.join(conditions)}"
