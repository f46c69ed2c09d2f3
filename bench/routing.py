"""A message checked and given its route: by few plain routes, by thousands with conditions, and by one that shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import cycle
from typing import Final
from zoneinfo import ZoneInfo

from bench.figure import Figure, Reading
from bench.loop import Loop
from payk.clock import Clock
from payk.domain.account import Client
from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.message import SmsType
from payk.domain.operator import Operator
from payk.domain.route import Carriers, Route, RouteTable, lists_drawn
from payk.intake import Request
from payk.intake.checking import Checking
from payk.intake.digests import Digests

__all__ = ["CHECK_CONDITIONS", "CHECK_FEW", "CHECK_FEW_CONDITIONS", "CHECK_SHARED", "MANY_TO_FEW", "many_to_few"]

_OPERATORS: Final = {number: Operator(number, f"operator-{number}") for number in range(1, 6)}
_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_REQUESTS: Final = 2_000

_Case = tuple[Request, Client]


def _clients(count: int, senders: int, *, restricted: bool) -> list[Client]:
    names = [[f"S{number}x{of}" for of in range(senders)] for number in range(count)]
    return [
        Client(
            number,
            f"client-{number}",
            senders={name.casefold(): name for name in names[number]},
            sender_operators={names[number][0].casefold(): frozenset({1, 2})} if restricted else {},
        )
        for number in range(count)
    ]


def _plain(count: int, weights: tuple[int, ...] = ()) -> list[Route]:
    return [
        Route(number, f"992{number:02}" if number else "992", (1, 2, 3), 0, weights=weights) for number in range(count)
    ]


def _conditional(clients: list[Client], count: int) -> list[Route]:
    """By turns of a client and type, of a client, of a sender, and of a prefix alone."""
    kinds = list(SmsType)
    routes = _plain(count // 4)[:100]
    for number in range(count - len(routes)):
        client = clients[number % len(clients)]
        sender, prefix, route_id = next(iter(client.senders)), "992"[: number % 4], 1_000_000 + number
        match number % 3:
            case 0:
                kind = kinds[number % 3]
                routes.append(Route(route_id, prefix, (2, 1), 0, client_id=client.client_id, sms_type=kind))
            case 1:
                routes.append(Route(route_id, prefix, (3, 2, 1), 0, client_id=client.client_id))
            case _:
                routes.append(Route(route_id, prefix, (1, 3), 0, sender=sender))
    return routes


def _directory(routes: list[Route], clients: list[Client]) -> Directory:
    allowed = {restriction for client in clients for restriction in client.sender_operators.values()}
    lists = lists_drawn([Carriers(route.operators, route.weights) for route in routes], allowed)
    queues = dict(enumerate(sorted({*lists, *(route.operators for route in routes)}), start=1))
    return Directory(1, operators=_OPERATORS, routes=RouteTable(routes), queues=queues)


def _requests(clients: list[Client]) -> list[_Case]:
    found = []
    for number in range(_REQUESTS):
        client = clients[number * 7 % len(clients)]
        names = [*client.senders.values()]
        sender = names[number % len(names)]
        phone = f"992{number * 7919 % 10**9:09}"
        found.append((Request(phone_number=phone, text="code 48213", sender_address=sender, sms_type=2), client))
    return found


def _checking(make: Callable[[], tuple[Directory, list[Client]]]) -> Callable[[int], None]:
    @cache
    def prepared() -> Callable[[], None]:
        directory, clients = make()
        zone = ZoneInfo("Asia/Dushanbe")
        checks = Checking(CurrentDirectory(directory), Digests(b"s" * 32), Clock(), lambda: _NOW, zone)
        cases = cycle(_requests(clients))

        def check() -> None:
            checks.one(*next(cases))

        return check

    def run(times: int) -> None:
        check = prepared()
        for _ in range(times):
            check()

    return run


def _few() -> tuple[Directory, list[Client]]:
    clients = _clients(10, 1, restricted=False)
    return _directory(_plain(10), clients), clients


def _few_with_conditions() -> tuple[Directory, list[Client]]:
    clients = _clients(10, 1, restricted=True)
    return _directory(_conditional(clients, 10), clients), clients


def _many() -> tuple[Directory, list[Client]]:
    clients = _clients(10_000, 10, restricted=True)
    return _directory(_conditional(clients, 5_000), clients), clients


def _shared() -> tuple[Directory, list[Client]]:
    clients = _clients(10, 1, restricted=False)
    return _directory(_plain(10, (50, 30, 20)), clients), clients


CHECK_FEW: Final = Loop(Figure("check_ten_routes_per_s", floor=20_000), _checking(_few))
CHECK_FEW_CONDITIONS: Final = Loop(Figure("check_ten_conditions_per_s", floor=20_000), _checking(_few_with_conditions))
CHECK_CONDITIONS: Final = Loop(Figure("check_5000_conditions_per_s", floor=20_000), _checking(_many))
CHECK_SHARED: Final = Loop(Figure("check_shared_per_s", floor=20_000), _checking(_shared))
MANY_TO_FEW: Final = Figure("check_5000_to_ten_conditions", 1.2, less_is_better=True, digits=2)


def many_to_few(readings: Sequence[Reading]) -> Reading:
    """How much longer a check takes with all that a large centre has than with ten of each."""
    few, many = (
        next(reading for reading in readings if reading.figure is loop.figure)
        for loop in (CHECK_FEW_CONDITIONS, CHECK_CONDITIONS)
    )
    return Reading(MANY_TO_FEW, few.best / many.best, few.median / many.median)
