"""What `payk up` needs to be tried at once: a client with a key, an operator to try against, a route to it."""

from __future__ import annotations

from typing import Any, Final

from payk.registry.change import apply, present_rows
from payk.registry.difference import Difference
from payk.registry.file import read
from payk.registry.secrets import SecretBox
from payk.store.database import Database
from payk.store.registry import RegistryRows, changing

__all__ = ["ensure_demo"]

CLIENT: Final = "demo"
SENDERS: Final = ("AlifBank", "AlifSarmoya")
OPERATOR: Final = "simulator"
LINK: Final = "simulator-1"
PREFIX: Final = ""
SOURCE: Final = "payk up"


async def ensure_demo(db: Database, secret_box: SecretBox, key: str, simulator_port: int) -> Difference:
    """Add what is missing of the demo, open `key` for its client and point its link to 127.0.0.1:`simulator_port`.

    Whatever else is there, the demo's own settings too, is left alone. Raises RegistryFileError where `key` was
    revoked, and StoreError.
    """
    whole = read(_document(RegistryRows(), key, simulator_port), SOURCE, {})
    async with changing(db) as change:
        present = await present_rows(change, whole)
    return await apply(db, secret_box, read(_document(present, key, simulator_port), SOURCE, {}), author=SOURCE)


def _document(present: RegistryRows, key: str, simulator_port: int) -> dict[str, Any]:
    """The registry file that adds to `present` what is missing."""
    known = {row.name.lower() for row in present.senders}
    missing = [name for name in SENDERS if name.lower() not in known]
    client: dict[str, Any] = {"name": CLIENT, "api_keys": [key]}
    if missing:
        client["senders"] = [*(row.name for row in present.senders if row.options["status"] == "approved"), *missing]
    link: dict[str, Any] = {"name": LINK, "host": "127.0.0.1", "port": simulator_port}
    link |= {"system_id": "payk", "password": "payk"}
    if not present.links:
        link |= {"window": 100, "rate": 0, "response_timeout": 5}
    document: dict[str, Any] = {"client": [client], "operator": [{"name": OPERATOR, "link": [link]}]}
    if not present.routes:
        document["route"] = [{"prefix": PREFIX, "operators": [OPERATOR]}]
    return document
