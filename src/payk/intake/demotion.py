"""One-time passwords beyond the rate that a client may keep up: they are sent as Common High, so that a client that
marks everything Otp does not take the lane of those who need it. Their type stays Otp in all else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from payk.domain.account import Client
from payk.domain.message import SmsType
from payk.domain.rate import RateKind, otp_rate
from payk.store.accept import NewMessage
from payk.store.rates import SharedRates

__all__ = ["Demotion"]

Some = TypeVar("Some", NewMessage, NewMessage | None)


class Demotion:
    """Demotes what is beyond `otp_per_minute`. Raises StoreUnavailable while that cannot be known."""

    def __init__(self, rates: SharedRates) -> None:
        self._rates = rates

    async def one(self, message: NewMessage, client: Client, timeout: float) -> NewMessage:
        """The message, demoted if it is beyond the rate."""
        if not client.limits.otp_per_minute or message.sms_type is not SmsType.OTP:
            return message
        return (await self.many([message], client, timeout))[0]

    async def many(self, messages: list[Some], client: Client, timeout: float) -> list[Some]:
        """The messages of a bulk; the later ones are demoted where not all are within the rate."""
        if not client.limits.otp_per_minute:
            return messages
        places = [
            place for place, message in enumerate(messages) if message is not None and message.sms_type is SmsType.OTP
        ]
        if not places:
            return messages
        rate = otp_rate(client.limits)
        within = await self._rates.take(client.client_id, RateKind.OTP, rate, len(places), timeout)
        demoted = list(messages)
        for place in places[within:]:
            message = demoted[place]
            assert message is not None
            demoted[place] = replace(message, demoted=True)
        return demoted
