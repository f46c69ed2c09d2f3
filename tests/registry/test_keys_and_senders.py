"""What is said of single keys and senders, and the limits of a client: written, applied, followed."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, time
from ipaddress import ip_network

import pytest

from payk.domain.limits import NO_LIMITS, Hours
from payk.domain.message import Priority, SmsType
from payk.registry.errors import RegistryFileError
from payk.registry.follow import load
from payk.store.database import Database
from payk.store.registry import note_key_use
from tests.registry.conftest import Applies

KEY = "00000000-0000-4000-8000-000000000001"
DIGEST = hashlib.sha256(KEY.encode()).digest()
MARK = DIGEST.hex()[:8]


def client(**keys: object) -> dict[str, object]:
    return {"client": [{"name": "demo", **keys}]}


async def test_a_key_with_all_that_can_be_said_of_it(applies: Applies, database: Database) -> None:
    said = {"label": "shop", "expires_at": "2030-01-01T05:00:00+05:00", "allow_from": ["10.1.0.0/16", "2001:db8::1"]}
    assert await applies(client(key=[{"key": KEY, **said}])) == [
        "+ client demo",
        (
            f"+ api key {MARK} of client demo: label shop, expires_at 2030-01-01T00:00:00Z, "
            "allow_from [10.1.0.0/16, 2001:db8::1/128]"
        ),
    ]
    key = (await load(database)).keys[DIGEST]
    assert key.expires_at == datetime(2030, 1, 1, tzinfo=UTC)
    assert key.allow_from == (ip_network("10.1.0.0/16"), ip_network("2001:db8::1/128"))
    assert await applies(client(key=[{"sha256": DIGEST.hex(), **said}])) == ["nothing changes"]
    assert await applies(client(api_keys=[KEY])) == ["nothing changes"]
    assert await applies(client(key=[{"key": KEY, "expires_at": ""}])) == [
        f"~ api key {MARK} of client demo: expires_at 2030-01-01T00:00:00Z -> none"
    ]
    assert await applies(client(key=[{"key": KEY, "revoked": True}])) == [f"~ api key {MARK} of client demo: revoked"]
    assert (await load(database)).keys == {}


async def test_use_of_a_key_is_noted(applies: Applies, database: Database) -> None:
    await applies(client(api_keys=[KEY]))
    key_id = (await load(database)).keys[DIGEST].key_id
    await note_key_use(database, [key_id, key_id + 1])
    async with database.connection() as connection:
        assert await connection.fetchval("select now() - last_used_at < interval '10 seconds' from api_key")


async def test_senders_are_requested_approved_rejected_and_end(applies: Applies, database: Database) -> None:
    asked = {"name": "Shop", "status": "requested", "reason": "our new shop"}
    assert await applies(client(senders=["Bank"], sender=[asked])) == [
        "+ client demo",
        "+ sender Bank of client demo",
        "+ sender Shop of client demo: status requested, reason our new shop",
    ]
    demo = next(iter((await load(database)).clients.values()))
    assert demo.senders == {"bank": "Bank"}
    assert await applies(client(senders=["Bank"])) == ["nothing changes"]
    assert await applies(
        client(sender=[{"name": "SHOP", "status": "approved", "expires_at": "2030-01-01T00:00Z"}])
    ) == [
        (
            "~ sender Shop of client demo: name Shop -> SHOP, status requested -> approved, "
            "expires_at none -> 2030-01-01T00:00:00Z"
        )
    ]
    demo = next(iter((await load(database)).clients.values()))
    assert demo.senders == {"bank": "Bank", "shop": "SHOP"}
    assert demo.sender_expiry == {"shop": datetime(2030, 1, 1, tzinfo=UTC)}
    assert await applies(client(sender=[{"name": "Bank", "status": "rejected", "reason": "not theirs"}])) == [
        '~ sender Bank of client demo: status approved -> rejected, reason "" -> not theirs'
    ]
    assert await applies(client(senders=["Bank"])) == [
        "~ sender Bank of client demo: status rejected -> approved",
        "~ sender SHOP of client demo: status approved -> withdrawn",
    ]


async def test_a_whole_list_leaves_alone_what_is_said_apart(applies: Applies) -> None:
    await applies(client(sender=[{"name": "Shop", "expires_at": "2030-01-01T00:00Z"}]))
    assert await applies(client(senders=[], sender=[{"name": "Shop"}])) == ["nothing changes"]


async def test_limits_reach_the_directory(applies: Applies, database: Database) -> None:
    await applies(client())
    assert next(iter((await load(database)).clients.values())).limits is NO_LIMITS
    written = {
        "requests_per_second": 5,
        "pace": 0.5,
        "sms_types": ["otp", "batch"],
        "max_priority": {"batch": "low"},
        "destinations": ["992"],
        "batch_hours": "08:00-21:00",
        "parts_per_day": 10,
        "otp_parts_per_month": 20,
        "number_per_hour": 3,
        "otp_number_per_day": 4,
        "otp_per_minute": 60,
        "prepaid": True,
        "otp_overdraft": "1.5",
    }
    await applies(client(**written))
    limits = next(iter((await load(database)).clients.values())).limits
    assert (limits.requests_per_second, limits.pace) == (5.0, 0.5)
    assert limits.sms_types == {SmsType.OTP, SmsType.BATCH}
    assert limits.max_priority == {SmsType.BATCH: Priority.LOW}
    assert limits.batch_hours == Hours(time(8), time(21))
    assert (limits.destinations, limits.prepaid, limits.otp_overdraft) == (("992",), True, 15_000)
    assert (limits.parts_per_day, limits.parts_per_month, limits.otp_parts_per_month) == (10, 0, 20)
    assert await applies(client(**written)) == ["nothing changes"]
    assert await applies(client(batch_hours="")) == ["~ client demo: batch_hours 08:00-21:00 -> none"]


async def test_the_price_of_a_route(applies: Applies, database: Database) -> None:
    route = {"prefix": "992", "operators": ["tcell"], "price": "0.1234"}
    await applies({"operator": [{"name": "tcell"}], "route": [route]})
    found = (await load(database)).routes.choose("992900900900")
    assert found is not None
    assert found.price == 1_234


@pytest.mark.parametrize(
    ("written", "line"),
    [
        ({"key": [{"label": "x"}]}, "client[0].key[0]: this key is named by both or neither of key and sha256"),
        ({"key": [{"key": KEY, "allow_from": ["10.1.2.3/16"]}]}, 'did you mean "10.1.0.0/16"?'),
        ({"key": [{"key": KEY, "expires_at": "2030-01-01T00:00"}]}, "is no moment with a zone"),
        ({"key": [{"key": KEY}, {"sha256": DIGEST.hex()}]}, "the same key as client[0].key[0]"),
        ({"api_keys": [KEY], "key": [{"key": KEY, "revoked": True}]}, "the same key"),
        ({"sender": [{"status": "approved"}]}, "client[0].sender[0].name: missing"),
        ({"sender": [{"name": "A"}, {"name": "a"}]}, "is already at client[0].sender[0]"),
        ({"batch_hours": "8-21"}, 'write "08:00-21:00"'),
        ({"batch_hours": "08:00-08:00"}, 'write "08:00-21:00"'),
        ({"otp_overdraft": "0.12345"}, "is no amount of money"),
        ({"otp_overdraft": "NaN"}, "is no amount of money"),
        ({"otp_overdraft": -1}, "is no amount of money"),
        ({"destinations": ["+992"]}, "write 1 to 15 digits"),
        ({"max_priority": {"otp": "urgent"}}, "write one of"),
    ],
)
async def test_the_line_for_what_is_wrong(applies: Applies, written: dict[str, object], line: str) -> None:
    with pytest.raises(RegistryFileError) as caught:
        await applies(client(**written))
    assert any(line in found for found in caught.value.lines()), caught.value.lines()
