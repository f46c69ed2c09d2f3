"""`payk up`: everything for trying, in one process."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path

from payk.app.access import ensure_admin_token
from payk.app.centre import Doors, address, announce, listen_at_doors, run_centre, stop_signal
from payk.app.opening import StartError, opened, write_secret
from payk.app.secrets import unlocked
from payk.registry.demo import ensure_demo
from payk.registry.errors import RegistryError
from payk.registry.secrets import SecretBox
from payk.settings import Settings
from payk.simulator import Simulator, SimulatorError, SimulatorOptions
from payk.store.migrations import migrate as migrate_schema

__all__ = ["up"]


async def up(settings: Settings) -> None:
    """Everything for trying: database, simulated operator, demo client, all roles."""
    stop = stop_signal()
    doors = listen_at_doors(settings, settings.roles)
    _make_home(settings)
    async with opened(settings) as (db, embedded):
        if embedded is not None and not embedded.supervises:
            raise StartError(f"Payk is already running with {settings.home}")
        await migrate_schema(db)
        box = SecretBox(await unlocked(settings, db, trying=True))
        simulator = Simulator(SimulatorOptions(port=settings.simulator_port, record=settings.home / "simulator.jsonl"))
        try:
            await simulator.start()
        except SimulatorError as error:
            raise StartError(str(error)) from error
        try:
            await ensure_admin_token(settings, db)
            key = _demo_key(settings)
            try:
                await ensure_demo(db, box, key, simulator.port)
            except RegistryError:  # somebody revoked the key that the file holds
                (settings.home / "demo-key").unlink()
                key = _demo_key(settings)
                await ensure_demo(db, box, key, simulator.port)

            def welcome(doors: Doors) -> None:
                announce(doors)
                _welcome(settings, doors, simulator.port)

            await run_centre(settings, settings.roles, db, embedded, doors, stop, welcome)
        finally:
            await simulator.stop()


def _make_home(settings: Settings) -> None:
    """PAYK_HOME; with a database of the user's own nobody else makes it."""
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"{settings.home} cannot be made: {error.strerror}") from error


def _demo_key(settings: Settings) -> str:
    file = settings.home / "demo-key"
    if not file.exists():
        write_secret(file, str(uuid.uuid4()))
    return file.read_text(encoding="ascii").strip()


def _welcome(settings: Settings, doors: Doors, simulator_port: int) -> None:
    home = Path(os.path.relpath(settings.home))
    home = home if not str(home).startswith("..") else settings.home
    if doors.api is None:
        return
    example = {
        "PhoneNumber": "992900900900",
        "Text": "Ваш код подтверждения: 12345",
        "SenderAddress": "AlifBank",
        "SmsType": 2,
    }
    print(
        f"""operator     127.0.0.1:{simulator_port} (simulated; what it received is in {home}/simulator.jsonl)
documents    {address(doors.api, doors.api_tls)}/docs
             {address(doors.admin, doors.admin_tls)}/docs (management; the token is in {home}/admin-token)

Send a message from a second terminal:

curl --location '{address(doors.api, doors.api_tls)}/api/v1/sms' \\
  --header "X-Api-Key: $(cat {home}/demo-key)" --header 'Content-Type: application/json' \\
  --data '{json.dumps(example, ensure_ascii=False)}'

Ctrl-C stops everything.""",
        flush=True,
    )
