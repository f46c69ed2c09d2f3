"""Service tokens: whom they let in, and how soon they do not any more."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from payk.access import AlreadyThere, NotThere, ValueInvalid
from payk.domain.access import Permission, PrincipalKind, Role
from payk.store.database import Database
from payk.store.errors import StoreBusy, StoreError
from tests.access.conftest import ROOT, Scene


async def test_a_token_has_a_role_and_scopes(scene: Scene) -> None:
    token = await scene.tokens.create(
        ROOT, "ci", role="client-manager", client="other", scopes=["read-messages", "change-routes"]
    )
    assert token.startswith("payk_") and len(token) >= 48
    principal = await scene.access.authenticate(token, "192.0.2.1")
    assert principal is not None
    assert (principal.kind, principal.name, principal.role, principal.client_id) == (
        PrincipalKind.TOKEN, "ci", Role.CLIENT_MANAGER, 2,
    )  # fmt: skip
    assert {p for p in Permission if principal.may(p)} == {Permission.READ_MESSAGES}
    assert await scene.access.authenticate(token + "x", "192.0.2.1") is None
    assert await scene.access.authenticate("", "192.0.2.1") is None
    assert await scene.access.authenticate("payk_\ud800", "192.0.2.1") is None


async def test_a_revoked_token_is_refused_by_every_process_within_a_second(scene: Scene, dsn: str) -> None:
    other_db = await Database.open(dsn)
    processes = [scene.access, scene.another(other_db)]
    token = await scene.tokens.create(ROOT, "ci", role="admin")
    assert all([await access.authenticate(token, "") for access in processes])
    await scene.tokens.revoke(ROOT, "CI")
    scene.clock.ahead = 0.6
    assert [await access.authenticate(token, "") for access in processes] == [None, None]
    await other_db.close()
    with pytest.raises(NotThere, match="no token 'ci' in force"):
        await scene.tokens.revoke(ROOT, "ci")


async def test_a_token_made_elsewhere_is_known_at_once(scene: Scene) -> None:
    access = scene.another()
    assert await access.authenticate("payk_x", "") is None  # has its picture
    assert await access.authenticate(await scene.tokens.create(ROOT, "ci", role="admin"), "")


async def test_known_tokens_are_not_asked_for_each_time(scene: Scene) -> None:
    token = await scene.tokens.create(ROOT, "ci", role="admin")
    assert await scene.access.authenticate(token, "")
    async with scene.db.connection() as connection:
        await connection.execute("alter table access_version rename to gone")
    assert await scene.access.authenticate(token, "")  # from the picture
    scene.clock.ahead = 0.6
    with pytest.raises(StoreError):
        await scene.access.authenticate(token, "")  # what cannot be confirmed lets nobody in


async def test_a_token_of_a_user_is_as_the_user_is(scene: Scene) -> None:
    await scene.users.create(ROOT, "anna", "admin")
    await scene.users.create(ROOT, "boris", "admin")
    token = await scene.tokens.create(ROOT, "ci", user="boris")
    principal = await scene.access.authenticate(token, "")
    assert principal is not None and (principal.name, principal.role) == ("boris/ci", Role.ADMIN)
    await scene.users.change(ROOT, "boris", role="client-viewer", client="demo")
    scene.clock.ahead = 0.6
    principal = await scene.access.authenticate(token, "")
    assert principal is not None and (principal.role, principal.client_id) == (Role.CLIENT_VIEWER, 1)
    await scene.users.change(ROOT, "boris", enabled=False)
    scene.clock.ahead = 1.2
    assert await scene.access.authenticate(token, "") is None


async def test_an_end_is_kept_whatever_the_clocks_of_machines_do(scene: Scene) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=100)
    token = await scene.tokens.create(ROOT, "ci", role="admin", expires_at=ends)
    assert await scene.access.authenticate(token, "")
    await scene.do("update service_token set expires_at = clock_timestamp() + interval '0.3 s'")
    scene.clock.ahead = 0.6
    assert await scene.access.authenticate(token, "") or True  # the picture of this moment
    scene.clock.ahead = 1.0  # the picture is younger than half a second, the token has ended
    assert await scene.access.authenticate(token, "") is None
    with pytest.raises(ValueInvalid, match="has passed; a time to come is allowed"):
        await scene.tokens.create(ROOT, "old", role="admin", expires_at=datetime(2020, 1, 1, tzinfo=UTC))


async def test_use_is_noted(scene: Scene) -> None:
    token = await scene.tokens.create(ROOT, "ci", role="admin")
    await scene.access.authenticate(token, "")
    scene.clock.ahead = 11
    await scene.access.authenticate(token, "")
    (row,) = await scene.tokens.all()
    assert row.last_used_at is not None


async def test_nobody_waits_for_the_note_of_another_process(scene: Scene) -> None:
    token = await scene.tokens.create(ROOT, "ci", role="admin")
    await scene.access.authenticate(token, "")
    scene.clock.ahead = 11
    async with scene.db.transaction() as connection, asyncio.timeout(2):
        await connection.execute("select from service_token for update")
        assert await scene.access.authenticate(token, "")


async def test_nobody_is_refused_because_use_was_not_noted(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise StoreBusy("deadlock detected")

    token = await scene.tokens.create(ROOT, "ci", role="admin")
    await scene.access.authenticate(token, "")
    scene.clock.ahead = 11
    with monkeypatch.context() as busy:
        busy.setattr("payk.access.picture.note_token_use", fail)
        assert await scene.access.authenticate(token, "")
    (row,) = await scene.tokens.all()
    assert row.last_used_at is None
    scene.clock.ahead = 22
    assert await scene.access.authenticate(token, "")
    (row,) = await scene.tokens.all()
    assert row.last_used_at is not None


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"role": "root"}, "role: 'root' is none; allowed are admin, operator, client-manager, client-viewer"),
        ({}, "role: a token has a role or a user; give one of the two"),
        ({"role": "admin", "user": "anna"}, "role: a token has a role or a user"),
        ({"role": "admin", "client": "demo"}, "client: the role admin is of no client"),
        ({"role": "client-viewer"}, "client: the role client-viewer is of one client; name the client"),
        ({"role": "client-viewer", "client": "x"}, "client: there is no client 'x'"),
        ({"role": "admin", "scopes": ["all"]}, "scopes: 'all' is none; allowed are some of read-registry, "),
        ({"role": "admin", "scopes": []}, "scopes: none is given"),
    ],
)
async def test_what_a_token_cannot_be(scene: Scene, given: dict[str, str], line: str) -> None:
    with pytest.raises(ValueInvalid) as caught:
        await scene.tokens.create(ROOT, "ci", **given)  # type: ignore[arg-type]
    assert str(caught.value).startswith(line)
    assert await scene.audited() == []


async def test_names_are_taken_once(scene: Scene) -> None:
    first = await scene.tokens.create(ROOT, "ci", role="admin")
    with pytest.raises(AlreadyThere, match="There is a token CI already"):
        await scene.tokens.create(ROOT, "CI", role="admin")
    second = await scene.tokens.create(ROOT, "ci", role="admin", replace=True)
    assert [bool(await scene.access.authenticate(token, "")) for token in (first, second)] == [False, True]
    with pytest.raises(NotThere, match="no user 'nobody'"):
        await scene.tokens.create(ROOT, "x", user="nobody")
