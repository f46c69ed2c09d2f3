"""By what requests are recognised when they come again. Every digest is keyed: a plain hash of a text with a one-time
code could be guessed.
"""

from __future__ import annotations

import asyncio
import hmac

from payk.intake.steps import Draft
from payk.store.kept_answers import AnswerKey

__all__ = ["Digests", "derive_digest_keys"]

OCTETS = 16
"""Of a digest."""

SLICE = 1 << 20
"""Octets of a body that are digested at a time: some 2 ms."""


KEY = 32
"""Octets of a key."""


def derive_digest_keys(secret_key: bytes) -> bytes:
    """The two keys, of messages and of requests, as they follow from the first secret key that a centre had.

    They stay when that is rotated, else no request of the time before would be known again (payk.app.secrets).
    """
    return hmac.digest(secret_key, b"payk.intake.repeat", "sha256") + hmac.digest(
        secret_key, b"payk.intake.request", "sha256"
    )


class Digests:
    """`keys` are the same in every process, else they would not know each other's requests."""

    def __init__(self, keys: bytes) -> None:
        message_key, self._request_key = keys[:KEY], keys[KEY:]
        self._keyed = hmac.new(message_key, digestmod="sha256")
        """Has taken in the key, and nothing else: a copy of it costs less than to begin with the key each time."""

    def of_draft(self, draft: Draft) -> bytes:
        """What makes two messages of a client the same. No field holds NUL, so the joint is unambiguous."""
        marked_id = "" if draft.client_message_id is None else f"={draft.client_message_id}"
        instant = "" if draft.instant is None else draft.instant.isoformat()
        fields = (str(draft.client.client_id), marked_id, draft.phone, draft.sender, instant, draft.text)
        content = self._keyed.copy()
        content.update("\0".join(fields).encode())
        return content.digest()[:OCTETS]

    async def of_request(self, client_id: int, path: str, key: bytes, body: bytes) -> AnswerKey:
        """What makes two requests of a client the same: the path and its `key`; then the body, octet for octet."""
        name = hmac.digest(self._request_key, b"%b\0%b" % (path.encode(), key), "sha256")
        content = hmac.new(self._request_key, digestmod="sha256")
        for start in range(0, len(body), SLICE):
            content.update(memoryview(body)[start : start + SLICE])
            if start:
                await asyncio.sleep(0)
        return AnswerKey(client_id, name[:OCTETS], content.digest()[:OCTETS])
