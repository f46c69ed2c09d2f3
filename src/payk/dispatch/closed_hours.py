"""Batch that was claimed after the hours of its recipient closed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from payk.domain.directory import CurrentDirectory
from payk.domain.hours import next_opening
from payk.domain.limits import Hours
from payk.domain.message import Lane
from payk.domain.recipient_zone import recipient_zone
from payk.store.claims import Claim

__all__ = ["ClosedHours"]


class ClosedHours:
    """Finds it; `zone` is where recipients live whose number does not tell."""

    def __init__(self, directory: CurrentDirectory, zone: ZoneInfo) -> None:
        self._directory = directory
        self._zone = zone
        self._version: int | None = None
        self._hours: dict[int, Hours] = {}

    def find(self, claims: Sequence[Claim]) -> dict[int, datetime]:
        """The messages that may not be sent yet, each with the opening that it waits for.

        What has been tried without an answer, or in part, is not held: it may be with the operator.
        """
        hours = self._in_force()
        if not hours:
            return {}
        found = {}
        for claim in claims:
            if claim.flow.lane == Lane.BATCH and claim.flow.client_id in hours and _is_untouched(claim):
                zone = recipient_zone(claim.phone, self._zone)
                opening = next_opening(hours[claim.flow.client_id], zone, claim.now)
                if opening > claim.now:
                    found[claim.message_id] = opening
        return found

    def _in_force(self) -> dict[int, Hours]:
        """The hours of the clients that have some."""
        directory = self._directory.value
        if directory.version != self._version:
            self._version = directory.version
            self._hours = {
                client_id: client.limits.batch_hours
                for client_id, client in directory.clients.items()
                if client.limits.batch_hours is not None
            }
        return self._hours


def _is_untouched(claim: Claim) -> bool:
    return claim.uncertain_count == 0 and claim.parts_left is None
