"""Secret keys and the database: which of them seals, what was sealed before, `payk secret rotate`.

A rotation has three steps, and no request is refused meanwhile: every process gets the new key beside the old one,
which still seals; `payk secret rotate` says in the database that the new one seals, and seals anew what there is; the
old one is taken from the processes.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Final

from payk.app.local import local_actor
from payk.app.opening import StartError, opened, secret_keys
from payk.domain.audit import AuditEntry
from payk.intake.digests import derive_digest_keys
from payk.logs import get_logger
from payk.registry.errors import SecretError
from payk.registry.secrets import SecretBox
from payk.sealing import KeyRing, SealError, SecretKey, TextSeal
from payk.sealing.texts import MARK
from payk.settings import Settings
from payk.store.audit import record
from payk.store.database import Database
from payk.store.errors import StoreError
from payk.store.migrations import check_schema
from payk.store.sealing import (
    SEALED_COLUMNS,
    begin_sealing,
    current_key,
    find_texts,
    keep_secret,
    look,
    note_first_key,
    processes_without_key,
    put_texts,
    reseal,
    sealed_values,
    take_key,
)

__all__ = ["SealingFollower", "digest_keys", "left_under_other_keys", "rotate", "unlocked"]

log = get_logger("app")

POLL: Final = 2.0
"""Seconds between two looks at which key seals."""
LOOK: Final = 10.0
"""Seconds that `payk check` looks at texts; a busy centre keeps some ten million of them."""
DIGESTS: Final = "digest keys"


async def unlocked(settings: Settings, db: Database, *, trying: bool = False) -> KeyRing:
    """The secret keys, sealing with the one that the database names. StartError, in one line, where we do not have it.

    The first process to come says which one that is: the one that opens what there is.
    """
    keys = secret_keys(settings, trying=trying)
    key_id = await current_key(db)
    if key_id is None:
        await note_first_key(db, (await _key_until_now(db, keys)).key_id)
        key_id = await current_key(db)
    assert key_id is not None  # it was just noted
    try:
        keys.use(key_id)
    except SealError as error:
        raise StartError(f"PAYK_SECRET_KEY is not the key of this database: {error}") from error
    return keys


async def _key_until_now(db: Database, keys: KeyRing) -> SecretKey:
    """The key by which passwords were sealed before there was a word of it; the first one where there are none."""
    box = SecretBox(keys)
    for column in SEALED_COLUMNS:
        values = await sealed_values(db, column)
        for value in values:
            with suppress(SecretError):
                return box.key_of(value)
        if values:
            raise StartError(f"PAYK_SECRET_KEY is not the key of this database: it opens none of the {column.what}")
    return keys.first


async def digest_keys(db: Database, keys: KeyRing) -> bytes:
    """The keys of digests (payk.intake.digests). They are kept sealed, so that a rotation does not change them."""
    box = SecretBox(keys)
    kept = await keep_secret(db, DIGESTS, box.seal(derive_digest_keys(keys.current.octets).hex()))
    return bytes.fromhex(box.open(kept))


class SealingFollower:
    """Follows which key seals, and has the texts of Otp sealed once everybody can open them."""

    def __init__(self, db: Database, keys: KeyRing, texts: TextSeal) -> None:
        self._db = db
        self._keys = keys
        self._texts = texts

    async def run(self) -> None:
        """Look until cancelled; while the database is away nothing changes."""
        while True:
            await asyncio.sleep(POLL)
            with suppress(StoreError):
                await self.look()

    async def look(self) -> None:
        """One look. Raises StoreError."""
        now = await look(self._db)
        if now.key_id is not None and now.key_id != self._keys.current.key_id:
            try:
                self._keys.use(now.key_id)
                log.info("another secret key seals", key_id=now.key_id.hex())
            except SealError as error:
                log.error("this process lacks the secret key that seals", error=str(error))
        if not self._texts.on:
            self._texts.on = now.texts or await begin_sealing(self._db)


async def rotate(settings: Settings) -> None:
    """Have PAYK_SECRET_KEY seal, and seal anew what was sealed under other keys."""
    async with opened(settings) as (db, _):
        await check_schema(db)
        keys = await unlocked(settings, db)
        lacking = await processes_without_key(db, keys.first.key_id)
        if lacking:
            where = ", ".join(f"{pid} on {host.partition('/')[0]}" for host, pid in lacking)
            raise StartError(
                f"processes run that do not have the key {keys.first.key_id.hex()}: {where}; start each of them again"
                " with the new key as PAYK_SECRET_KEY and the present one in PAYK_OLD_SECRET_KEYS, then repeat this"
            )
        await digest_keys(db, keys)  # they follow from the first key of all
        changes = keys.current is not keys.first
        detail = {"before": keys.current.key_id.hex()}
        entry = AuditEntry(local_actor(), "secret.rotate", "secret key", keys.first.key_id.hex(), detail)
        await record(db, [entry])
        await take_key(db, keys.first.key_id)
        keys.use(keys.first.key_id)
        counts = await _seal_anew(db, keys)
        if changes:
            await asyncio.sleep(POLL * 1.5)  # by then every process seals under it; what came in between
            for what, count in (await _seal_anew(db, keys)).items():
                counts[what] += count
    print(f"the key {keys.first.key_id.hex()} seals")
    for what, count in counts.items():
        print(f"sealed anew: {count} {what}")
    print("nothing is sealed under another key: PAYK_OLD_SECRET_KEYS may go; backups need the key of their time")


async def _seal_anew(db: Database, keys: KeyRing) -> dict[str, int]:
    """Seal under the current key what is sealed under others; how many of what. StartError where no key opens one."""
    box, texts = SecretBox(keys), TextSeal(keys)

    def again(sealed: bytes) -> bytes | None:
        return None if box.key_of(sealed) is keys.current else box.seal(box.open(sealed))

    counts = {}
    for column in SEALED_COLUMNS:
        try:
            counts[column.what] = await reseal(db, column, again)
        except SecretError as error:
            raise StartError(f"{column.what}: {error}") from error
    counts["texts of Otp"] = 0
    async for found in find_texts(db, texts.prefix(keys.current), MARK):
        try:
            new = [texts.seal(texts.open(text.stored, text.phone), text.phone) for text in found]
        except SealError as error:
            raise StartError(f"texts of Otp: {error}") from error
        if found:
            await put_texts(db, found, new)
        counts["texts of Otp"] += len(found)
    return counts


async def left_under_other_keys(db: Database, keys: KeyRing) -> tuple[dict[str, int], dict[str, int]]:
    """How many of what are sealed under a key that does not seal any more; and how many no key of ours opens.

    Texts are looked at for LOOK seconds, the oldest first: they are those that an old key sealed.
    """
    deadline = time.monotonic() + LOOK
    box, texts = SecretBox(keys), TextSeal(keys)
    old: dict[str, int] = {}
    shut: dict[str, int] = {}
    for column in SEALED_COLUMNS:
        for value in await sealed_values(db, column):
            try:
                if box.key_of(value) is not keys.current:
                    old[column.what] = old.get(column.what, 0) + 1
            except SecretError:
                shut[column.what] = shut.get(column.what, 0) + 1
    async for found in find_texts(db, texts.prefix(keys.current), MARK):
        for text in found:
            try:
                texts.open(text.stored, text.phone)
                old["texts of Otp"] = old.get("texts of Otp", 0) + 1
            except SealError:
                shut["texts of Otp"] = shut.get("texts of Otp", 0) + 1
        if time.monotonic() > deadline:
            break
    return old, shut
