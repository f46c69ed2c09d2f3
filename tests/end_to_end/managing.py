"""Commands that manage a centre, in both ways that they have: on its database, and through a server."""

from __future__ import annotations

import json
from typing import Any

from tests.end_to_end.payk import Centre, Payk
from tests.end_to_end.program import Ended

__all__ = ["Managing"]


class Managing:
    """Runs commands in one of the two ways; `server` is the one that is asked, None = the database is."""

    def __init__(self, payk: Payk, server: Centre | None, token: str = "") -> None:
        self.payk, self.server = payk, server
        self.environment: dict[str, str] = {}
        if server is not None:
            self.environment = {"PAYK_ADMIN_URL": str(server.admin.base_url), "PAYK_ADMIN_TOKEN": token}

    async def run(self, *command: str, stdin: str = "") -> Ended:
        return await self.payk.run(*command, stdin=stdin, **self.environment)

    async def done(self, *command: str, stdin: str = "") -> str:
        ended = await self.run(*command, stdin=stdin)
        assert ended.returncode == 0, ended.stderr
        assert ended.stderr == ""
        return ended.stdout

    async def rows(self, *command: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (await self.done(*command, "--json")).split("\n") if line]

    async def refused(self, *command: str, code: int = 1) -> str:
        ended = await self.run(*command)
        assert (ended.returncode, ended.stdout) == (code, ""), ended.stderr
        return ended.stderr
