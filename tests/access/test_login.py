"""Logging in: passwords, one-time codes, lockout, sessions."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from argon2 import PasswordHasher

from payk.access import Access, LoginRefused, Passwords, TooManyFailures, ValueInvalid
from payk.access.one_time_code import step_of
from payk.domain.access import PrincipalKind, Role
from payk.store.database import Database
from tests.access.conftest import PASSWORD, QUICK, ROOT, Scene


async def refused(access: Access, name: str = "boris", password: str = "wrong", address: str = "192.0.2.1") -> None:
    with pytest.raises(LoginRefused, match="Name, password or one-time code is wrong"):
        await access.log_in(name, password, None, address)


async def present_code(scene: Scene, uri: str, step: int = 0) -> str:
    async with scene.db.connection() as connection:
        now = await connection.fetchval("select extract(epoch from clock_timestamp())::float8")
    return pyotp.TOTP(parse_qs(urlsplit(uri).query)["secret"][0]).at(int(now), counter_offset=step)


async def test_a_user_logs_in_and_out(scene: Scene) -> None:
    user, _ = await scene.users.create(ROOT, "boris", "client-viewer", client="demo", password=PASSWORD)
    token = await scene.access.log_in("Boris", PASSWORD, None, "192.0.2.1")
    assert len(token) >= 43
    principal = await scene.another().authenticate(token, "192.0.2.1")
    assert principal is not None
    assert (principal.kind, principal.id, principal.name, principal.role) == (
        PrincipalKind.USER, user.user_id, "boris", Role.CLIENT_VIEWER,
    )  # fmt: skip
    assert principal.client_id == 1
    await scene.access.log_out(principal)
    assert await scene.another().authenticate(token, "192.0.2.1") is None
    assert await scene.audited() == ["user.create boris", "session.begin boris", "session.end boris"]


async def test_neither_password_nor_token_is_stored(scene: Scene) -> None:
    await scene.users.create(ROOT, "boris", "admin", password=PASSWORD)
    token = await scene.access.log_in("boris", PASSWORD, None, "")
    async with scene.db.connection() as connection:
        stored = await connection.fetchval(
            "select (select string_agg(u::text, '') from user_account u) || (select string_agg(s::text, '') from"
            " user_session s) || (select string_agg(a::text, '') from audit_entry a)"
        )
    assert "$argon2id$" in stored
    assert token not in stored and PASSWORD not in stored


async def test_all_that_is_wrong_has_one_answer(scene: Scene) -> None:
    await scene.users.create(ROOT, "anna", "admin", password=PASSWORD)
    await scene.users.create(ROOT, "boris", "operator", password=PASSWORD)
    await scene.users.create(ROOT, "tokens only", "operator")
    await refused(scene.access)
    await refused(scene.access, "nobody", PASSWORD)
    await refused(scene.access, "tokens only", "")
    await scene.users.change(ROOT, "boris", enabled=False)
    await refused(scene.access, "boris", PASSWORD)


class Counting(PasswordHasher):
    verified = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002 - the library's name
        self.verified += 1
        return super().verify(hash, password)


async def test_whoever_is_unknown_disabled_or_locked_costs_the_same_work(scene: Scene) -> None:
    await scene.users.create(ROOT, "boris", "operator", password=PASSWORD)
    hasher = Counting(time_cost=1, memory_cost=1_024, parallelism=1)
    access = Access(scene.db, scene.box, passwords=Passwords(hasher))
    for number, name in enumerate(["boris", "nobody"], start=1):
        await refused(access, name)
        assert hasher.verified == number
    await scene.do("update login_network set locked_until = now() + interval '1 h'")
    await refused(access, "boris", PASSWORD)
    await scene.do("update login_network set locked_until = null")
    await scene.do("update user_account set enabled = false")
    await refused(access, "boris", PASSWORD)
    assert hasher.verified == 4


async def seconds_locked(scene: Scene, table: str) -> int | None:
    async with scene.db.connection() as connection:
        wait: int | None = await connection.fetchval(
            f"select round(extract(epoch from locked_until - now()))::int from {table} where locked_until > now()"
        )
    return wait


async def test_ten_attempts_lock_and_each_after_locks_longer(scene: Scene) -> None:
    await scene.users.create(ROOT, "boris", "operator", password=PASSWORD)
    waits = []
    for _ in range(13):
        scene.clock.ahead += 61  # the limit by address begins anew
        await refused(scene.access)
        waits.append(await seconds_locked(scene, "login_network"))
        if waits[-1]:
            await refused(scene.access, password=PASSWORD)  # right, and locked
            await scene.do("update login_network set locked_until = now()")
    assert waits == [None] * 9 + [60, 120, 240, 480]
    scene.clock.ahead += 61
    await scene.access.log_in("boris", PASSWORD, None, "192.0.2.1")
    await refused(scene.access)
    await scene.access.log_in("boris", PASSWORD, None, "192.0.2.1")  # counted from the start again


async def test_a_stranger_who_knows_a_name_keeps_nobody_out(scene: Scene) -> None:
    await scene.users.create(ROOT, "boris", "operator", password=PASSWORD)
    for _ in range(12):
        await refused(scene.access, address="203.0.113.1")
    await scene.access.log_in("boris", PASSWORD, None, "192.0.2.1")  # another network, never seen before
    await refused(scene.access, address="203.0.113.1", password=PASSWORD)


async def test_strangers_with_many_networks_keep_out_other_strangers_alone(scene: Scene) -> None:
    await scene.users.create(ROOT, "boris", "operator", password=PASSWORD)
    await scene.access.log_in("boris", PASSWORD, None, "2001:db8:1:1::1")
    for number in range(50):
        assert await seconds_locked(scene, "user_account") is None
        await refused(scene.access, address=f"203.0.113.{number}")
    assert await seconds_locked(scene, "user_account") == 60
    await refused(scene.access, address="198.51.100.1", password=PASSWORD)  # right, from nowhere known
    async with scene.db.connection() as connection:
        assert (
            await connection.fetchval("select count(*) from login_network") == 51
        )  # nothing is kept of the locked out
    await scene.access.log_in("boris", PASSWORD, None, "2001:db8:1:1::2")
    assert await seconds_locked(scene, "user_account")  # that gives strangers no more attempts
    await scene.do("update user_account set locked_until = now()")
    await refused(scene.access, address="203.0.113.50")
    assert await seconds_locked(scene, "user_account") == 120
    await scene.do("update user_account set locked_until = now() - interval '25 h'")
    await refused(scene.access, address="203.0.113.51")
    assert await seconds_locked(scene, "user_account") is None
    async with scene.db.connection() as connection:
        assert await connection.fetchval("select failures from user_account") == 1


async def test_attempts_of_strangers_that_are_a_day_old_count_no_more(scene: Scene) -> None:
    await scene.users.create(ROOT, "boris", "operator", password=PASSWORD)
    for number in range(49):
        await refused(scene.access, address=f"203.0.113.{number}")
    await scene.do("update user_account set locked_until = locked_until - interval '25 h'")
    await refused(scene.access, address="203.0.113.50")
    assert await seconds_locked(scene, "user_account") is None
    await scene.access.log_in("boris", PASSWORD, None, "198.51.100.1")


async def test_a_network_is_known_for_thirty_days(scene: Scene) -> None:
    await scene.users.create(ROOT, "boris", "operator", password=PASSWORD)
    await scene.access.log_in("boris", PASSWORD, None, "192.0.2.1")
    await scene.do("update user_account set locked_until = now() + interval '1 h'")
    await scene.access.log_in("boris", PASSWORD, None, "192.0.2.1")
    await scene.do("update login_network set last_login_at = now() - interval '31 days'")
    await refused(scene.access, password=PASSWORD)
    await scene.do("update login_network set last_attempt_at = now() - interval '31 days'")
    await scene.users.set_password(ROOT, "boris", PASSWORD)  # lifts every lock
    await scene.access.log_in("boris", PASSWORD, None, "192.0.2.9")
    async with scene.db.connection() as connection:
        assert await connection.fetchval("select string_agg(network, ' ') from login_network") == "192.0.2.9"


async def test_a_new_password_lifts_every_lock(scene: Scene) -> None:
    await scene.users.create(ROOT, "boris", "operator", password=PASSWORD)
    await scene.access.log_in("boris", PASSWORD, None, "192.0.2.1")
    for table in ("user_account", "login_network"):
        await scene.do(f"update {table} set locked_until = now() + interval '1 h', failures = 60")
    await refused(scene.access, password=PASSWORD)
    await refused(scene.access, password=PASSWORD, address="198.51.100.1")
    await scene.users.set_password(ROOT, "boris", PASSWORD)
    for address in ("192.0.2.1", "198.51.100.1"):
        await scene.access.log_in("boris", PASSWORD, None, address)


async def test_many_attempts_at_once_are_no_more_attempts(scene: Scene, dsn: str) -> None:
    await scene.users.create(ROOT, "boris", "operator", password=PASSWORD)
    other = await Database.open(dsn)
    hasher = Counting(time_cost=1, memory_cost=1_024, parallelism=1)
    both = [Access(db, scene.box, passwords=Passwords(hasher)) for db in (scene.db, other)]
    await asyncio.gather(*(refused(both[n % 2]) for n in range(40)))
    await asyncio.gather(*(refused(both[n % 2], address=f"203.0.113.{n}") for n in range(80)))
    await other.close()
    async with scene.db.connection() as connection:
        assert await connection.fetchval("select max(failures) from login_network") == 10
        assert await connection.fetchval("select failures from user_account") == 50


async def test_codes_that_are_asked_for_while_somebody_logs_in_are_asked_of_him(scene: Scene) -> None:
    await scene.users.create(ROOT, "boris", "operator", password=PASSWORD)

    class Slow(Passwords):
        async def verify(self, stored: str | None, password: str) -> bool:
            right = await super().verify(stored, password)
            await scene.users.set_totp(ROOT, "boris")
            return right

    await refused(Access(scene.db, scene.box, passwords=Slow(QUICK)), password=PASSWORD)
    assert await scene.access.sessions() == []


async def test_whoever_holds_a_session_shows_to_be_its_user(scene: Scene) -> None:
    await scene.users.create(ROOT, "boris", "operator", password=PASSWORD)
    token = await scene.access.log_in("boris", PASSWORD, None, "192.0.2.1")
    principal = await scene.access.authenticate(token, "192.0.2.1")
    assert principal is not None
    await scene.access.confirm(principal, PASSWORD, None, "192.0.2.1")
    wrong = r"current_password: it, or `code`, is wrong or cannot be looked at now"
    for _ in range(10):  # guesses are counted, and lock, as those of logging in
        with pytest.raises(ValueInvalid, match=wrong):
            await scene.access.confirm(principal, "wrong", None, "192.0.2.1")
    with pytest.raises(ValueInvalid, match=wrong):
        await scene.access.confirm(principal, PASSWORD, None, "192.0.2.1")
    assert (await scene.audited())[-12:-10] == ["session.confirm boris", "session.refused boris"]
    uri = await scene.users.set_totp(ROOT, "boris")
    code = await present_code(scene, uri)
    await scene.users.set_password(ROOT, "boris", PASSWORD)
    with pytest.raises(ValueInvalid, match=wrong):
        await scene.access.confirm(principal, PASSWORD, None, "192.0.2.1")
    await scene.access.confirm(principal, PASSWORD, code, "192.0.2.1")
    with pytest.raises(ValueInvalid, match=wrong):
        await scene.access.confirm(principal, PASSWORD, code, "192.0.2.1")  # used up


async def test_an_address_that_fails_too_often_is_not_looked_at(scene: Scene) -> None:
    await scene.users.create(ROOT, "boris", "operator", password=PASSWORD)
    for number in range(20):
        await refused(scene.access, f"nobody {number}")
    with pytest.raises(TooManyFailures, match=r"from 192\.0\.2\.1 failed; the next may come in [56]\d s"):
        await scene.access.log_in("boris", PASSWORD, None, "192.0.2.1")
    with pytest.raises(TooManyFailures):
        await scene.access.authenticate("payk_x", "192.0.2.1")
    await scene.access.log_in("boris", PASSWORD, None, "192.0.2.2")
    scene.clock.ahead = 61
    await scene.access.log_in("boris", PASSWORD, None, "192.0.2.1")


async def test_many_failures_at_once_from_an_address_are_no_more_than_one_by_one(scene: Scene) -> None:
    names = [f"nobody {number}" for number in range(60)]
    tried = await asyncio.gather(
        *(scene.access.log_in(name, "wrong", None, "192.0.2.1") for name in names), return_exceptions=True
    )
    assert Counter(type(error) for error in tried) == {LoginRefused: 20, TooManyFailures: 40}


async def refusals(scene: Scene) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Actor, user, address and detail of what was refused, in order."""
    async with scene.db.connection() as connection:
        rows = await connection.fetch(
            "select actor_name, object_name, address, detail from audit_entry where act = 'session.refused'"
            " order by sequence"
        )
    return [(row[0], row[1], row[2], json.loads(row[3])) for row in rows]


async def test_every_refused_login_is_an_entry(scene: Scene) -> None:
    await scene.users.create(ROOT, "boris", "operator", password=PASSWORD)
    await refused(scene.access)
    await refused(scene.access, PASSWORD)  # in the place of the name
    await scene.users.change(ROOT, "boris", enabled=False)
    await refused(scene.access, password=PASSWORD)
    await scene.users.change(ROOT, "boris", enabled=True)
    await scene.do("update login_network set locked_until = now() + interval '1 h'")
    await refused(scene.access, password=PASSWORD)
    assert await refusals(scene) == [
        ("boris", "boris", "192.0.2.1", {"attempt": 1}),
        ("", "", "192.0.2.1", {"unknown": True}),
        ("boris", "boris", "192.0.2.1", {"disabled": True}),
        ("boris", "boris", "192.0.2.1", {"locked": True}),
    ]


async def test_whoever_fills_the_entries_of_a_minute_hides_no_address_that_is_held_off(scene: Scene) -> None:
    async def tried(count: int, address: str) -> None:
        for _ in range(count):
            with pytest.raises((LoginRefused, TooManyFailures)):
                await scene.access.log_in("nobody", "wrong", None, address)

    for number in range(2, 6):
        await tried(18, f"192.0.2.{number}")
    await tried(25, "192.0.2.1")
    assert {row[2] for row in await refusals(scene) if "held_off" in row[3]} == set()
    scene.clock.ahead += 61
    await tried(25, "192.0.2.1")
    [told] = [row for row in await refusals(scene) if "held_off" in row[3]]
    assert told[2] == "192.0.2.1"
    assert told[3]["attempts"] > 5


async def test_an_address_that_is_held_off_is_told_of_when_it_begins_and_every_ten_minutes(scene: Scene) -> None:
    async def tried(count: int, address: str = "192.0.2.1") -> None:
        for _ in range(count):
            with pytest.raises((LoginRefused, TooManyFailures)):
                await scene.access.log_in("nobody", "wrong", None, address)

    await tried(20)
    assert [row[3] for row in await refusals(scene)] == [{"unknown": True}] * 20
    await tried(30)
    assert (await refusals(scene))[20:] == [("", "", "192.0.2.1", {"held_off": True, "attempts": 1})]
    for _ in range(10):
        scene.clock.ahead += 61
        await tried(21)
    told = [row[3] for row in (await refusals(scene))[21:]]
    assert [row for row in told if "held_off" in row] == [{"held_off": True, "attempts": 39}]
    await tried(21, "192.0.2.2")
    assert (await refusals(scene))[-1][2:] == ("192.0.2.2", {"held_off": True, "attempts": 1})


async def test_nobody_fills_the_log_with_attempts_from_many_networks(scene: Scene) -> None:
    for number in range(100):
        await refused(scene.access, "nobody", address=f"203.0.113.{number}")
    assert len(await refusals(scene)) == 60
    scene.clock.ahead += 61
    await refused(scene.access, "nobody")
    assert (await refusals(scene))[60:] == [("", "", "192.0.2.1", {"unknown": True, "left_out": 40})]
    await refused(scene.access, "nobody")
    assert (await refusals(scene))[-1][3] == {"unknown": True}


async def test_whoever_is_right_does_not_count_against_its_address(scene: Scene) -> None:
    await scene.users.create(ROOT, "boris", "operator", password=PASSWORD)
    for _ in range(25):
        await scene.access.log_in("boris", PASSWORD, None, "192.0.2.1")


async def test_a_one_time_code_is_asked_for_and_used_once(scene: Scene) -> None:
    await scene.users.create(ROOT, "boris", "operator", password=PASSWORD)
    uri = await scene.users.set_totp(ROOT, "boris")
    assert uri.startswith("otpauth://totp/Payk:boris?")
    await refused(scene.access, password=PASSWORD)
    code = await present_code(scene, uri)
    both = await asyncio.gather(
        *(access.log_in("boris", PASSWORD, code, "") for access in (scene.access, scene.another())),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in both) == ["LoginRefused", "str"]
    with pytest.raises(LoginRefused):
        await scene.access.log_in("boris", PASSWORD, await present_code(scene, uri, -1), "")  # older than the used one
    await scene.users.drop_totp(ROOT, "boris")
    await scene.access.log_in("boris", PASSWORD, None, "")


def test_codes_of_the_neighbouring_steps_are_taken() -> None:
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    now = datetime(2026, 11, 27, 12, 0, 10, tzinfo=UTC)
    step = int(now.timestamp()) // 30
    codes = {offset: pyotp.TOTP(secret).generate_otp(step + offset) for offset in (-2, -1, 0, 1, 2)}
    assert {offset: step_of(secret, code, now) for offset, code in codes.items()} == {
        -2: None, -1: step - 1, 0: step, 1: step + 1, 2: None,
    }  # fmt: skip
    assert step_of(secret, "", now) is None
    assert step_of(secret, "рамзи ман", now) is None


async def test_an_older_hash_is_made_anew(scene: Scene) -> None:
    await scene.users.create(ROOT, "boris", "operator", password=PASSWORD)
    stronger = PasswordHasher(time_cost=2, memory_cost=1_024, parallelism=1)
    access = Access(scene.db, scene.box, passwords=Passwords(stronger))
    await access.log_in("boris", PASSWORD, None, "")
    async with scene.db.connection() as connection:
        stored = await connection.fetchval("select password_hash from user_account")
    assert not stronger.check_needs_rehash(stored) and QUICK.check_needs_rehash(stored)
    await scene.access.log_in("boris", PASSWORD, None, "")


@pytest.mark.parametrize(
    "passed",
    ["last_seen_at = now() - interval '1801 s'", "expires_at = now()"],
)
async def test_a_session_ends_by_itself(scene: Scene, passed: str) -> None:
    await scene.users.create(ROOT, "boris", "operator", password=PASSWORD)
    token = await scene.access.log_in("boris", PASSWORD, None, "")
    await scene.do("update user_session set last_seen_at = now() - interval '1790 s'")
    assert await scene.access.authenticate(token, "")  # and it is used now
    await scene.do(f"update user_session set {passed} where last_seen_at < now() - interval '60 s' or true")
    assert await scene.access.authenticate(token, "") is None
    assert await scene.access.sessions() == []
    await scene.access.log_in("boris", PASSWORD, None, "")
    async with scene.db.connection() as connection:
        assert await connection.fetchval("select count(*) from user_session") == 1


async def test_a_session_lasts_twelve_hours_at_most(scene: Scene) -> None:
    await scene.users.create(ROOT, "boris", "operator", password=PASSWORD)
    await scene.access.log_in("boris", PASSWORD, None, "192.0.2.1")
    (session,) = await scene.access.sessions()
    assert (session.expires_at - session.created_at).total_seconds() == 43_200
    assert (session.user, session.address) == ("boris", "192.0.2.1")


@pytest.mark.parametrize("change", ["disable", "password", "totp", "end"])
async def test_what_ends_sessions(scene: Scene, change: str) -> None:
    await scene.users.create(ROOT, "boris", "operator", password=PASSWORD)
    token = await scene.access.log_in("boris", PASSWORD, None, "")
    if change == "disable":
        await scene.users.change(ROOT, "boris", enabled=False)
    elif change == "password":
        await scene.users.set_password(ROOT, "boris", "another " + PASSWORD)
    elif change == "totp":
        await scene.users.set_totp(ROOT, "boris")
    else:
        await scene.access.end_session((await scene.access.sessions())[0].session_id, ROOT)
    assert await scene.another().authenticate(token, "") is None


async def test_a_role_holds_from_the_next_request_on(scene: Scene) -> None:
    await scene.users.create(ROOT, "boris", "operator", password=PASSWORD)
    token = await scene.access.log_in("boris", PASSWORD, None, "")
    await scene.users.change(ROOT, "boris", role="client-manager", client="other")
    principal = await scene.access.authenticate(token, "")
    assert principal is not None and (principal.role, principal.client_id) == (Role.CLIENT_MANAGER, 2)
