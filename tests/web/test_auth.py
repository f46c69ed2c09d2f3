"""Who is calling: keys, suspended clients, the limit on guessing, and the caller's address."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any, cast

import pytest

from payk.clock import Clock
from payk.domain.account import ApiKey, Client
from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.failure_limit import FailureLimit, network_of
from payk.store.database import Database
from payk.web import auth
from payk.web.auth import Authenticator
from payk.web.caller import caller_address
from payk.web.exchange import Exchange
from payk.web.problems import Problem
from payk.web.site import PublicOptions
from tests.web.answers import problem, raw_problem
from tests.web.centre import MESSAGE, Centre, centre_on, key_of

KEYS: list[dict[str, bytes]] = [
    {},
    {"X-Api-Key": b""},
    {"X-Api-Key": b"00000000-0000-4000-8000-000000000000"},
    {"X-Api-Key": key_of(1).upper().encode() + b"x"},
    {"X-Api-Key": key_of(1)[:-1].encode()},
    {"X-Api-Key": b"\xff\xfe\x80"},
    {"X-Api-Key": "ключ".encode()},
    {"X-Api-Key": b"k" * 30_000},
    {"Authorization": b"Bearer " + key_of(1).encode()},
    {"Api-Key": key_of(1).encode()},
]


async def test_one_answer_for_every_key_that_is_not_valid(database: Database) -> None:
    async with centre_on(database) as centre:
        del centre.http.headers["X-Api-Key"]
        bodies = []
        for headers in KEYS:
            response = await centre.http.post("/api/v1/sms", json=MESSAGE, headers=headers)
            bodies.append(problem(response, "Unauthorized"))
            assert response.headers["www-authenticate"]
        assert await centre.count() == 0
    for body in bodies:
        del body["RequestId"]
    assert all(body == bodies[0] for body in bodies)
    assert bodies[0]["Retryable"] is False


async def test_a_key_may_be_surrounded_by_blanks(database: Database) -> None:
    async with centre_on(database) as centre:
        head = f"GET /api/v1/sms/1 HTTP/1.1\r\nConnection: close\r\nX-Api-Key:  \t{key_of(1)} \t\r\n\r\n"
        raw_problem(await centre.raw(head.encode()), "MessageNotFound")


async def test_a_suspended_client_is_told_so(database: Database) -> None:
    async with centre_on(database) as centre:
        for response in (
            await centre.send(MESSAGE, client=4),
            await centre.bulk([MESSAGE], client=4),
            await centre.http.get("/api/v1/sms/1", headers={"X-Api-Key": key_of(4)}),
        ):
            assert "suspended" in problem(response, "ClientSuspended")["Detail"]


def _with_key(centre: Centre, **said: Any) -> None:
    """Say something of the key of client 1."""
    directory = centre.directory.value
    digest = hashlib.sha256(key_of(1).encode()).digest()
    keys = {**directory.keys, digest: dataclasses.replace(directory.keys[digest], **said)}
    centre.directory.value = dataclasses.replace(directory, keys=keys)


async def test_a_key_ends_at_its_moment(database: Database) -> None:
    async with centre_on(database) as centre:
        _with_key(centre, expires_at=database.now() + timedelta(hours=1))
        assert (await centre.send(MESSAGE)).status_code == 200
        _with_key(centre, expires_at=database.now() - timedelta(milliseconds=1))
        problem(await centre.send(MESSAGE), "Unauthorized")


async def test_a_key_opens_from_its_networks_alone(database: Database) -> None:
    async with centre_on(database) as centre:
        _with_key(centre, allow_from=(ip_network("10.0.0.0/8"),))
        body = problem(await centre.send(MESSAGE), "IpAddressNotAllowed")
        assert body["Detail"] == "This key may not be used from 127.0.0.1."
        forged = {"X-Api-Key": key_of(1), "X-Forwarded-For": "10.1.2.3"}
        problem(await centre.http.post("/api/v1/sms", json=MESSAGE, headers=forged), "IpAddressNotAllowed")
        _with_key(centre, allow_from=(ip_network("10.0.0.0/8"), ip_network("127.0.0.1/32")))
        assert (await centre.send(MESSAGE)).status_code == 200


async def test_more_than_20_bad_keys_are_refused_and_good_ones_are_not(database: Database) -> None:
    async with centre_on(database) as centre:
        bad = {"X-Api-Key": "b" * 36}
        for _ in range(20):
            problem(await centre.http.get("/api/v1/sms/1", headers=bad), "Unauthorized")
        for headers in (bad, {"X-Api-Key": ""}):
            response = await centre.http.post("/api/v1/sms", json=MESSAGE, headers=headers)
            assert problem(response, "RateLimitExceeded")["Retryable"] is True
            assert 1 <= int(response.headers["retry-after"]) <= 60
        assert (await centre.send(MESSAGE)).status_code == 200
        problem(await centre.send(MESSAGE, client=4), "ClientSuspended")


async def test_behind_a_trusted_proxy_the_limit_counts_by_forwarded_address(database: Database) -> None:
    options = PublicOptions(trusted_proxies=(ip_network("127.0.0.0/8"),))
    async with centre_on(database, options) as centre:

        async def fail(forwarded: str) -> int:
            headers = {"X-Api-Key": "no", "X-Forwarded-For": forwarded}
            return (await centre.http.get("/api/v1/sms/1", headers=headers)).status_code

        assert [await fail("203.0.113.7") for _ in range(21)] == [401] * 20 + [429]
        assert await fail("203.0.113.8") == 401
        assert await fail("198.51.100.1, 203.0.113.7") == 429
        assert await fail("203.0.113.7, 198.51.100.1") == 401


async def test_without_a_trusted_proxy_the_header_is_not_believed(database: Database) -> None:
    async with centre_on(database) as centre:
        answers = [
            await centre.http.get(
                "/api/v1/sms/1", headers={"X-Api-Key": "no", "X-Forwarded-For": f"203.0.113.{number}"}
            )
            for number in range(21)
        ]
        assert [answer.status_code for answer in answers] == [401] * 20 + [429]


def test_the_limit_counts_any_minute() -> None:
    limit = FailureLimit()
    assert [limit.note("a", second) for second in range(20)] == [0] * 20
    assert limit.note("a", 30) == 30  # the first of the 20 was at 0
    assert limit.note("a", 59.5) == 0.5
    assert limit.note("b", 59.5) == 0
    assert limit.note("a", 60) == 0
    assert limit.note("a", 60.5) == 0.5  # the next was at 1


def test_the_limit_remembers_so_many_addresses_and_no_more() -> None:
    limit = FailureLimit(failures=1, addresses=3)
    for address in ("a", "b", "c"):
        assert limit.note(address, 0) == 0
    assert limit.note("a", 1) > 0  # seen just now, so b is the oldest
    assert limit.note("d", 2) == 0
    assert limit.note("b", 3) == 0
    assert limit.note("a", 4) > 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:0DB8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::1", "::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_what_an_address_counts_as(address: str, network: str) -> None:
    assert network_of(address) == network


def test_whoever_has_a_network_of_ipv6_has_no_more_failures_than_others() -> None:
    limit = FailureLimit()
    waits = [limit.note(f"2001:db8::{number:x}", 0) for number in range(21)]
    assert waits == [0] * 20 + [60]
    assert limit.wait("2001:db8::ffff", 1) == 59
    assert limit.wait("2001:db8:0:1::1", 1) == 0
    limit.take_back("2001:db8::abcd")
    assert limit.wait("2001:db8::ffff", 1) == 0


TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def test_who_was_let_in_from_somewhere_is_not_let_in_from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered holds for one key's networks and one caller, and not longer than the networks do."""
    monkeypatch.setattr(auth, "REMEMBERED", 3)
    keys = {
        hashlib.sha256(name).digest(): ApiKey(number, 1, allow_from=tuple(map(ip_network, networks)))
        for number, (name, networks) in enumerate({b"a": ["203.0.113.0/24"], b"b": ["198.51.100.0/24"]}.items())
    }
    current = CurrentDirectory(Directory(clients={1: Client(1, "demo")}, keys=keys))
    authenticator = Authenticator(current, TRUSTED, Clock(), lambda: datetime.now(UTC), set())

    def let_in(key: bytes, peer: str, *forwarded: bytes) -> bool:
        scope = {"client": (peer, 5000), "headers": [(b"x-forwarded-for", value) for value in forwarded]}
        try:
            authenticator.client(cast(Exchange, SimpleNamespace(headers={b"x-api-key": key}, client=None, scope=scope)))
        except Problem:
            return False
        return True

    for _ in range(2):
        assert let_in(b"a", "203.0.113.7")
        assert let_in(b"a", "203.0.113.7", b"198.51.100.1"), "nobody of ours wrote that"
        assert let_in(b"a", "10.0.0.1", b"203.0.113.7")
        assert let_in(b"a", "10.0.0.1", b"9.9.9.9", b"203.0.113.7")
        assert let_in(b"a", "10.0.0.1", b"9.9.9.9, " * 100 + b"203.0.113.7")
        assert let_in(b"b", "198.51.100.1")
        assert not let_in(b"a", "10.0.0.1", b"203.0.113.7", b"9.9.9.9")
        assert not let_in(b"a", "10.0.0.1")
        assert not let_in(b"a", "198.51.100.1", b"203.0.113.7")
        assert not let_in(b"b", "203.0.113.7")
    digest = hashlib.sha256(b"a").digest()
    narrowed = {**keys, digest: ApiKey(0, 1, allow_from=(ip_network("203.0.113.128/25"),))}
    current.value = Directory(clients={1: Client(1, "demo")}, keys=narrowed)
    assert not let_in(b"a", "203.0.113.7")


ADDRESSES: list[tuple[tuple[str, int] | None, list[str], str]] = [
    (("203.0.113.7", 5000), [], "203.0.113.7"),
    (("203.0.113.7", 5000), ["198.51.100.1"], "203.0.113.7"),
    (("10.0.0.1", 5000), [], "10.0.0.1"),
    (("10.0.0.1", 5000), ["198.51.100.1"], "198.51.100.1"),
    (("10.0.0.1", 5000), ["192.0.2.9, 198.51.100.1"], "198.51.100.1"),
    (("10.0.0.1", 5000), ["192.0.2.9, 198.51.100.1, 10.1.2.3"], "198.51.100.1"),
    (("10.0.0.1", 5000), ["192.0.2.9", "198.51.100.1, 10.1.2.3"], "198.51.100.1"),
    (("10.0.0.1", 5000), ["10.9.9.9, 10.1.2.3"], "10.9.9.9"),
    (("10.0.0.1", 5000), ["198.51.100.1:4711"], "198.51.100.1"),
    (("10.0.0.1", 5000), ["198.51.100.1, unknown"], "10.0.0.1"),
    (("10.0.0.1", 5000), ["'; drop table", ""], "10.0.0.1"),
    (("10.0.0.1", 5000), ["2001:DB8::0001"], "2001:db8::1"),
    (("10.0.0.1", 5000), ["[2001:db8::1]:4711"], "2001:db8::1"),
    (("::ffff:10.0.0.1", 5000), ["198.51.100.1"], "198.51.100.1"),
    (("::ffff:203.0.113.7", 5000), ["198.51.100.1"], "203.0.113.7"),
    (("fd00::1", 5000), ["::ffff:198.51.100.1"], "198.51.100.1"),
    (("2001:db8::2", 5000), ["198.51.100.1"], "2001:db8::2"),
    (None, ["198.51.100.1"], "local"),
]


@pytest.mark.parametrize(("peer", "forwarded", "expected"), ADDRESSES)
def test_the_callers_address(peer: tuple[str, int] | None, forwarded: list[str], expected: str) -> None:
    scope: dict[str, Any] = {
        "client": peer,
        "headers": [(b"host", b"a"), *((b"x-forwarded-for", value.encode()) for value in forwarded)],
    }
    assert caller_address(scope, TRUSTED) == expected
