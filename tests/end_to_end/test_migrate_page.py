"""docs/migrate.md: every command of it is run, in order, on the files that the page shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from tests.end_to_end.payk import KEY, Centre, Payk

DOCS = Path(__file__).parents[2] / "docs"
PAGE, RUSSIAN = ((DOCS / name).read_text("utf-8") for name in ("migrate.md", "ru/migrate.md"))
ENDS_WITHIN = 60.0


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def commands(page: str) -> Iterator[str]:
    for block in blocks(page, "sh"):
        yield from block.strip().splitlines()


async def done(payk: Payk, command: str) -> str:
    ended = await payk.in_a_shell(command, within=ENDS_WITHIN, KEY=KEY)
    assert ended.returncode == 0, f"{command}: {ended.stderr}"
    return ended.stdout


async def test_every_command_of_the_page(payk_on_server: Payk) -> None:
    operator = await payk_on_server.simulate()
    [registry], [rows], [answer] = blocks(PAGE, "toml"), blocks(PAGE, "csv"), blocks(PAGE, "json")
    (payk_on_server.folder / "centre.toml").write_text(registry.replace("2775", str(operator.port)))
    (payk_on_server.folder / "old.csv").write_text(rows)
    printed: dict[str, list[str]] = {}
    centre: Centre | None = None
    for command in commands(PAGE):
        if command.startswith("curl") or command == "payk serve":
            centre = centre or await payk_on_server.serve()
        if command == "payk serve":
            continue
        told = command
        if centre is not None:
            told = command.replace("127.0.0.1:8080", f"127.0.0.1:{centre.http.base_url.port}")
        printed.setdefault(command, []).append(await done(payk_on_server, told))
    assert centre is not None

    [digest] = printed['printf %s "$KEY" | sha256sum']
    assert re.fullmatch(r"[0-9a-f]{64} +-\n", digest)
    first, again = printed["payk message import old.csv"]
    assert first.strip() in PAGE
    assert again == "3 rows: 0 added, 0 completed, 3 known already, 0 refused\n"
    assert printed["payk message import --drop-before 2025-02-01"] == ["0 imported messages dropped\n"]
    [told] = next(out for command, out in printed.items() if command.startswith("curl"))
    assert json.loads(told) == json.loads(answer)
    assert await centre.send() == "130000000"


async def test_the_client_whose_key_came_as_a_digest(payk_on_server: Payk) -> None:
    await payk_on_server.apply(blocks(PAGE, "toml")[0])
    centre = await payk_on_server.serve()
    unknown = await centre.http.get("/api/v1/sms/5", headers={"X-Api-Key": KEY[:-1] + "2"})
    assert unknown.status_code == 404  # of a client that is known


def test_the_russian_page_shows_the_same_request_and_answer() -> None:
    assert blocks(RUSSIAN, "json") == blocks(PAGE, "json")
    assert [line for line in commands(PAGE) if line.startswith("curl")] == list(commands(RUSSIAN))
