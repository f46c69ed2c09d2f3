"""What `payk up` prepares: there at once, and never in the way of what somebody set up."""

from __future__ import annotations

import hashlib

import pytest

from payk.registry.demo import ensure_demo
from payk.registry.errors import RegistryFileError
from payk.registry.follow import load
from payk.registry.secrets import SecretBox
from payk.store.database import Database

from .conftest import Applies, Contents

KEY = "00000000-0000-4000-8000-000000000001"
NEW_KEY = "00000000-0000-4000-8000-000000000002"


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


async def test_a_new_database(database: Database, secret_box: SecretBox) -> None:
    await ensure_demo(database, secret_box, KEY, 2775)
    directory = await load(database)
    client = directory.clients[directory.keys[digest(KEY)].client_id]
    assert (client.name, sorted(client.senders.values())) == ("demo", ["AlifBank", "AlifSarmoya"])
    (operator,) = directory.operators.values()
    (link,) = operator.links
    assert (operator.name, link.name, link.host, link.port) == ("simulator", "simulator-1", "127.0.0.1", 2775)
    assert (link.system_id, secret_box.open(link.password)) == ("payk", "payk")
    assert (link.window, link.rate, link.response_timeout) == (100, 0.0, 5.0)
    route = directory.routes.choose("12025550100")
    assert route is not None
    assert route.operators == (operator.operator_id,)


async def test_the_second_start_changes_nothing(database: Database, secret_box: SecretBox, contents: Contents) -> None:
    await ensure_demo(database, secret_box, KEY, 2775)
    before = await contents()
    assert (await ensure_demo(database, secret_box, KEY, 2775)).lines() == ["nothing changes"]
    assert await contents() == before


async def test_another_port_and_another_key(database: Database, secret_box: SecretBox) -> None:
    await ensure_demo(database, secret_box, KEY, 2775)
    assert (await ensure_demo(database, secret_box, NEW_KEY, 2776)).lines() == [
        f"+ api key {digest(NEW_KEY).hex()[:8]} of client demo",
        "~ link simulator-1 of operator simulator: port 2775 -> 2776",
    ]
    assert (await load(database)).keys.keys() == {digest(KEY), digest(NEW_KEY)}


async def test_what_somebody_set_up_is_left_alone(database: Database, secret_box: SecretBox, applies: Applies) -> None:
    await applies(
        {
            "client": [{"name": "demo", "senders": ["Shop", "alifbank"], "enabled": False}, {"name": "other"}],
            "operator": [{"name": "tcell"}, {"name": "simulator", "enabled": False}],
            "route": [{"prefix": "", "operators": ["tcell"], "enabled": False}],
        }
    )
    await applies({"client": [{"name": "demo", "senders": ["Shop"]}]})
    told = await ensure_demo(database, secret_box, KEY, 2775)
    assert [line.partition(":")[0] for line in told.lines()] == [
        "+ sender AlifSarmoya of client demo",
        f"+ api key {digest(KEY).hex()[:8]} of client demo",
        "+ link simulator-1 of operator simulator",
    ]
    await applies({"operator": [{"name": "simulator", "link": [{"window": 7, "response_timeout": 30}]}]})
    assert not await ensure_demo(database, secret_box, KEY, 2775)
    directory = await load(database)
    demo = directory.clients[directory.keys[digest(KEY)].client_id]
    assert demo.enabled is False
    assert sorted(demo.senders.values()) == ["AlifSarmoya", "Shop"]
    assert directory.routes.choose("992900900900") is None


async def test_a_revoked_demo_key_is_said(database: Database, secret_box: SecretBox, applies: Applies) -> None:
    await ensure_demo(database, secret_box, KEY, 2775)
    await applies({"client": [{"name": "demo", "revoked_keys": [KEY]}]})
    with pytest.raises(RegistryFileError, match=r"^payk up: client\[0\]\.api_keys\[0\]: this key was revoked"):
        await ensure_demo(database, secret_box, KEY, 2775)


async def test_a_new_secret_key_seals_the_password_anew(database: Database, secret_box: SecretBox) -> None:
    await ensure_demo(database, secret_box, KEY, 2775)
    other = SecretBox(bytes(32))
    assert (await ensure_demo(database, other, KEY, 2775)).lines() == [
        "~ link simulator-1 of operator simulator: password changed"
    ]
