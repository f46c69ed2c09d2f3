"""Everything configured, at one version: who may send, as whom, and through which operators."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from payk.domain.account import ApiKey, Client
from payk.domain.hold import Holds
from payk.domain.operator import Link, Operator
from payk.domain.route import RouteTable

__all__ = ["CurrentDirectory", "Directory"]


@dataclass(frozen=True, slots=True)
class Directory:
    """A consistent picture of the registry; replaced as a whole when something changes."""

    version: int = 0
    clients: Mapping[int, Client] = field(default_factory=dict)
    keys: Mapping[bytes, ApiKey] = field(default_factory=dict)
    """By the SHA-256 digest of the key; revoked keys are not in it."""
    operators: Mapping[int, Operator] = field(default_factory=dict)
    routes: RouteTable = field(default_factory=lambda: RouteTable(()))
    queues: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """queue_id -> operators in order."""
    holds: Holds = field(default_factory=Holds)
    """What is held back."""
    block_list: bool = False
    """Whether any number is blocked."""
    queue_of: Mapping[tuple[int, ...], int] = field(init=False, repr=False, compare=False)
    """Operators in order -> queue_id."""

    def __post_init__(self) -> None:
        found = {operators: queue_id for queue_id, operators in self.queues.items()}
        object.__setattr__(self, "queue_of", found)  # it is frozen, and asked for with every message that is shared

    def links(self) -> dict[int, Link]:
        """The enabled links of enabled operators, by link_id."""
        return {
            link.link_id: link
            for operator in self.operators.values()
            if operator.enabled
            for link in operator.links
            if link.enabled
        }

    def operator_name(self, operator_id: int) -> str:
        """What figures call an operator; `unknown` where it is not in the directory."""
        found = self.operators.get(operator_id)
        return "unknown" if found is None else found.name

    def suspends(self, client_id: int) -> bool:
        """Whether people suspended a client: nothing of it leaves."""
        client = self.clients.get(client_id)
        return client is not None and not client.enabled

    def keeps_back(self, client_id: int, lane: int, label_key: int, queue_id: int) -> bool:
        """Whether people keep back what waits there: by a hold, or because its client is suspended."""
        return self.suspends(client_id) or self.holds.stop(client_id, lane, label_key, self.queues.get(queue_id, ()))

    def carries(self, operator_id: int, links_up: Collection[int]) -> bool:
        """Whether an operator takes new messages, while these links are bound: by one that is not being drained."""
        operator = self.operators.get(operator_id)
        return (
            operator is not None
            and not operator.draining
            and any(link.link_id in links_up and not link.draining for link in operator.links)
        )


class CurrentDirectory:
    """Holds the directory that is in force in this process; `value` is replaced, never changed in place."""

    def __init__(self, value: Directory | None = None) -> None:
        self.value = value or Directory()

    @property
    def value(self) -> Directory:
        """The directory in force."""
        return self._value

    @value.setter
    def value(self, directory: Directory) -> None:
        self._value = directory
        self._links = {link.link_id: link for operator in directory.operators.values() for link in operator.links}

    def link_of(self, link_id: int) -> Link | None:
        """A link, enabled or not: what it left behind outlives it."""
        return self._links.get(link_id)
