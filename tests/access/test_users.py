"""Changes of users: what is refused, what is recorded, and that somebody is left who may make them."""

from __future__ import annotations

import asyncio

import pytest

from payk.access import AlreadyThere, LastAdmin, NotThere, ValueInvalid
from payk.domain.access import PERMISSIONS, Permission, Role
from tests.access.conftest import PASSWORD, ROOT, Scene


@pytest.mark.parametrize(
    ("name", "role", "given", "line"),
    [
        ("", "admin", {}, "name: '' cannot be one; allowed are 1 to 64 Latin letters"),
        ("борис", "admin", {}, "name: 'борис' cannot be one"),
        ("boris ", "admin", {}, "name: 'boris ' cannot be one"),
        ("b" * 65, "admin", {}, "name: "),
        ("boris", "boss", {}, "role: 'boss' is none; allowed are admin, operator, client-manager, client-viewer"),
        ("boris", "admin", {"client": "demo"}, "client: the role admin is of no client; leave it out"),
        ("boris", "client-manager", {}, "client: the role client-manager is of one client; name the client"),
        ("boris", "client-manager", {"client": "x"}, "client: there is no client 'x'; name one that is there"),
        ("boris", "admin", {"password": "short"}, "password: it has 5 characters; allowed are 12 to 1024 characters"),
        ("boris", "admin", {"password": "x" * 1_025}, "password: it has 1025 characters"),
        ("boris.the.first", "admin", {"password": "Boris.The.First1"}, "password: it is little more than the name"),
    ],
)
async def test_what_a_user_cannot_be(scene: Scene, name: str, role: str, given: dict[str, str], line: str) -> None:
    with pytest.raises(ValueInvalid) as caught:
        await scene.users.create(ROOT, name, role, **given)  # type: ignore[arg-type]
    assert str(caught.value).startswith(line)
    assert await scene.audited() == []


async def test_names_are_taken_once_whatever_their_case(scene: Scene) -> None:
    await scene.users.create(ROOT, "boris", "admin")
    with pytest.raises(AlreadyThere, match="There is a user Boris already"):
        await scene.users.create(ROOT, "Boris", "admin")


async def test_the_last_admin_stays(scene: Scene) -> None:
    await scene.users.create(ROOT, "anna", "admin")
    await scene.users.create(ROOT, "boris", "operator")
    for refused in (
        scene.users.change(ROOT, "anna", enabled=False),
        scene.users.change(ROOT, "anna", role="operator"),
    ):
        with pytest.raises(LastAdmin, match="anna is the last enabled admin: make or enable another one first"):
            await refused
    await scene.users.change(ROOT, "boris", role="admin")
    # Two at once: one of them is the last.
    results = await asyncio.gather(
        *(scene.users.change(ROOT, name, enabled=False) for name in ("anna", "boris")), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["LastAdmin", "StoredUser"]
    assert [user.enabled for user in await scene.users.all()].count(True) == 1


async def test_every_change_is_recorded(scene: Scene) -> None:
    await scene.users.create(ROOT, "anna", "admin", password=PASSWORD)
    await scene.users.create(ROOT, "boris", "client-viewer", client="demo")
    await scene.users.change(ROOT, "boris", role="operator")
    await scene.users.set_password(ROOT, "boris", PASSWORD)
    await scene.users.set_totp(ROOT, "boris")
    await scene.users.drop_totp(ROOT, "boris")
    await scene.users.change(ROOT, "boris", enabled=False)
    await scene.users.change(ROOT, "boris", enabled=False)  # is so already
    await scene.users.change(ROOT, "boris", enabled=True)
    await scene.tokens.create(ROOT, "ci", user="boris")
    await scene.tokens.revoke(ROOT, "ci")
    assert await scene.audited() == [
        "user.create anna", "user.create boris", "user.role boris", "user.password boris", "user.totp boris",
        "user.totp boris", "user.disable boris", "user.enable boris", "token.create ci", "token.revoke ci",
    ]  # fmt: skip
    for change in (scene.users.change(ROOT, "x", enabled=True), scene.users.set_password(ROOT, "x", PASSWORD)):
        with pytest.raises(NotThere, match="There is no user 'x'"):
            await change


async def test_what_is_not_recorded_is_not_done(scene: Scene) -> None:
    await scene.do("alter table audit_entry add constraint full_up check (sequence < 1)")
    with pytest.raises(Exception, match="full_up"):
        await scene.users.create(ROOT, "boris", "admin")
    assert await scene.users.all() == []


def test_only_admins_manage_users() -> None:
    assert [role for role in Role if Permission.MANAGE_USERS in PERMISSIONS[role]] == [Role.ADMIN]
