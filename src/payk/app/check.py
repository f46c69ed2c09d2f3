"""`payk check`: a line on everything that a centre needs, and whether it is well."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from payk.app.centre import server_tls
from payk.app.opening import StartError, opened
from payk.app.secrets import left_under_other_keys, unlocked
from payk.domain.directory import Directory
from payk.domain.operator import IdMode, Link
from payk.registry.change import apply as apply_file
from payk.registry.errors import RegistryError
from payk.registry.file import load as load_file
from payk.registry.follow import load as load_directory
from payk.registry.secrets import SecretBox
from payk.registry.unwise import without_reserve
from payk.sealing import KeyRing
from payk.settings import Settings
from payk.store.advice import durability, encryption, listening
from payk.store.audit import Verdict
from payk.store.audit import verify as verify_audit
from payk.store.census import live_processes
from payk.store.continuity import look
from payk.store.database import Database
from payk.store.embedded import EmbeddedError
from payk.store.errors import StoreError
from payk.store.migrations import check_schema, clock_difference
from payk.store.receipts import LearnedIdMode, learned_id_modes
from payk.store.sealing import look as look_at_sealing
from payk.store.sealing import unsealed_because
from payk.web.tls import TlsError

__all__ = ["check"]

CLOCK_TOLERANCE = 2.0
"""Seconds that this machine's clock may differ from the database's before `payk check` complains."""
AUDIT_ENTRIES = 1_000
LINK_PATIENCE = 3.0
"""Seconds that `payk check` gives an operator to take a connection."""


class _Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    """It works, and something is unwise about it."""
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class _Finding:
    verdict: _Verdict
    text: str


def _fit(fit: bool, text: str) -> _Finding:
    return _Finding(_Verdict.OK if fit else _Verdict.FAIL, text)


async def check(settings: Settings, file: Path | None) -> bool:
    """Look at settings, database, schema, clock, key and links, print a line on each; whether the centre can work."""
    findings = [_fit(True, "settings are readable"), *_check_certificates(settings)]
    try:
        async with opened(settings) as (db, _):
            findings += await _check_database(settings, db, file)
    except (EmbeddedError, StoreError) as error:
        findings.append(_fit(False, f"database: {error}"))
    for finding in findings:
        print(f"{finding.verdict:5} {finding.text}")
    return all(finding.verdict is not _Verdict.FAIL for finding in findings)


async def _check_database(settings: Settings, db: Database, file: Path | None) -> list[_Finding]:
    findings = [_fit(True, "database answers")]
    try:
        await check_schema(db)
        findings.append(_fit(True, "schema is up to date"))
    except StoreError as error:
        return [*findings, _fit(False, f"schema: {error}")]
    findings += [
        _Finding(_Verdict.OK if advice.fine else _Verdict.WARN, advice.text)
        for advice in [*await durability(db), await listening(db), await encryption(db)]
    ]
    held = (await look(db)).why_held
    findings.append(_fit(held is None, held or "no history was lost"))
    chain = await verify_audit(db, last=AUDIT_ENTRIES)
    findings.append(_fit(chain.whole, _of_audit(chain)))
    findings += await _check_processes(db)
    ahead = await clock_difference(db)
    findings.append(_fit(abs(ahead) < CLOCK_TOLERANCE, f"clock differs from the database's by {ahead:+.3f} s"))
    try:
        keys = await unlocked(settings, db)
        findings += await _check_secrets(db, keys)
        box = SecretBox(keys)
        if file is not None:
            await apply_file(db, box, load_file(file, os.environ), author="payk check", dry_run=True)
            findings.append(_fit(True, f"{file} can be applied"))
        directory = await load_directory(db)
        findings += _check_clients(directory)
        findings += await _check_links(directory, box, await learned_id_modes(db))
    except (RegistryError, StartError) as error:
        findings += [_fit(False, line) for line in str(error).splitlines()]
    return findings


async def _check_processes(db: Database) -> list[_Finding]:
    """What running processes find wrong with themselves."""
    return [
        _fit(False, f"process {process.pid} on {process.host.partition('/')[0]}: {warning}")
        for process in await live_processes(db)
        for warning in process.warnings
    ]


def _of_audit(chain: Verdict) -> str:
    if chain.broken is not None:
        return f"audit log: entry {chain.broken}: {chain.why}; see docs/security.md"
    return f"the newest {chain.count} entries of the audit log are whole"


def _check_certificates(settings: Settings) -> list[_Finding]:
    """Whether certificates can be used, and for how long."""
    findings = []
    for certificate, key, names in (
        (settings.tls_certificate, settings.tls_key, "PAYK_TLS"),
        (settings.admin_tls_certificate, settings.admin_tls_key, "PAYK_ADMIN_TLS"),
    ):
        try:
            tls = server_tls(certificate, key, names)
        except (StartError, TlsError) as error:
            findings.append(_fit(False, str(error)))
            continue
        if tls is not None:
            warnings = tls.warnings(datetime.now(UTC))
            findings += [_Finding(_Verdict.WARN, warning) for warning in warnings]
            findings += [] if warnings else [_fit(True, f"the certificate {certificate} can be used")]
    return findings


async def _check_secrets(db: Database, keys: KeyRing) -> list[_Finding]:
    """Whether our keys open everything, and what is not as it should be yet."""
    old, shut = await left_under_other_keys(db, keys)
    findings = [
        _fit(False, f"{count} {what} are opened by no secret key; they need the one they were sealed under")
        for what, count in shut.items()
    ]
    if not shut:
        findings.append(_fit(True, f"secret key {keys.current.key_id.hex()} opens what is sealed"))
    findings += [
        _Finding(_Verdict.WARN, f"{count} {what} are sealed under an old secret key; run `payk secret rotate`")
        for what, count in old.items()
    ]
    if keys.current is not keys.first:
        findings.append(
            _Finding(
                _Verdict.WARN, "PAYK_SECRET_KEY does not seal yet: run `payk secret rotate` once all processes have it"
            )
        )
    if not (await look_at_sealing(db)).texts and (why := await unsealed_because(db)):
        where = ", ".join(f"{pid} on {host.partition('/')[0]}" for host, pid in why)
        findings.append(_Finding(_Verdict.WARN, f"texts of Otp are stored in the clear: older processes run, {where}"))
    return findings


def _check_clients(directory: Directory) -> list[_Finding]:
    lacking = [
        client.name
        for client in directory.clients.values()
        if client.enabled
        and client.limits.prepaid
        and not client.limits.otp_reserve
        and not client.limits.otp_overdraft
    ]
    return [_Finding(_Verdict.WARN, warning) for warning in without_reserve(sorted(lacking))]


async def _check_links(directory: Directory, box: SecretBox, learned: Mapping[int, LearnedIdMode]) -> list[_Finding]:
    findings = []
    for link in directory.links().values():
        where = f"link {link.name} at {link.host}:{link.port}"
        try:
            box.open(link.password)
            async with asyncio.timeout(LINK_PATIENCE):
                _, writer = await asyncio.open_connection(link.host, link.port)
            writer.close()
        except RegistryError as error:
            findings.append(_fit(False, f"{where}: {error}"))
        except (OSError, TimeoutError) as error:
            findings.append(_fit(False, f"{where} is not reachable: {str(error) or 'no answer'}"))
        else:
            findings.append(_fit(True, f"{where} is reachable; {_ids_of(link, learned.get(link.link_id))}"))
    return findings


def _ids_of(link: Link, learned: LearnedIdMode | None) -> str:
    """How the ids in its receipts relate to those in its answers, in words."""
    if link.id_mode is not IdMode.LEARN:
        return f"ids in receipts: {link.id_mode}, pinned"
    if learned is None:
        return "ids in receipts: none matched yet"
    return f"ids in receipts: {learned.mode}, learned {learned.since:%Y-%m-%d %H:%M} UTC"
