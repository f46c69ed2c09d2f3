"""What a shell offers where names are typed: those that there are, in both ways, and nothing if nobody is reached."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping

import pytest

from tests.end_to_end.managing import Managing
from tests.end_to_end.payk import Payk, registry


async def offered(payk: Payk, line: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """What bash is told for a line whose last word is being typed."""
    words = line.split(" ")
    ended = await payk.run(
        _PAYK_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1), **(environment or {})
    )
    assert ended.stderr == ""
    return ended.stdout.split()


async def test_names_that_there_are_are_offered(managing: Managing) -> None:
    payk = managing.payk
    await payk.apply('[[client]]\nname = "barber"\n[[client]]\nname = "shop"\nsenders = ["Shop", "Sale"]\n')
    await managing.done("user", "create", "anna", "--role", "admin")
    await managing.done("token", "create", "ci", "--role", "operator")
    await managing.done("token", "create", "cron", "--role", "operator")
    await managing.done("token", "revoke", "cron")
    [route] = await managing.rows("route", "list")
    for line, names in {
        "payk client show ba": ["bank", "barber"],
        "payk client show bank": ["bank"],
        "payk client create ba": [],
        "payk key list s": ["shop"],
        "payk sender approve shop S": ["Sale", "Shop"],
        "payk sender list --client ": ["bank", "barber", "shop"],
        "payk operator drain ": ["tcell"],
        "payk link set t": ["tcell-1"],
        "payk link create ": ["tcell"],
        "payk route show ": [str(route["route_id"])],
        "payk user role a": ["anna"],
        "payk token revoke c": ["ci"],
        "payk balance show shop": ["shop"],
        "payk queue hold --operator ": ["tcell"],
    }.items():
        assert await offered(payk, line, managing.environment) == names, line


async def test_labels_of_a_client_are_offered_where_that_is_cheap(payk_on_server: Payk) -> None:
    payk = payk_on_server
    await payk.apply(registry(1))
    centre = await payk.serve("--roles", "api,maintenance")
    await centre.send(SmsLabel="sale-7")
    deadline = time.monotonic() + 60
    while (found := await offered(payk, "payk queue hold --client bank --label sa")) != ["sale-7"]:
        assert time.monotonic() < deadline, found
    assert await offered(payk, "payk queue hold --label sa") == []


async def test_the_database_of_a_home_is_asked_while_it_runs(payk: Payk) -> None:
    assert await offered(payk, "payk client show ") == []
    assert not payk.home.exists(), "nothing was made or started"
    centre = await payk.up()
    assert await offered(payk, "payk client show ") == ["demo"]
    await centre.program.stop()
    assert await offered(payk, "payk client show ") == []


@pytest.mark.parametrize("variable", ["PAYK_ADMIN_URL", "PAYK_DATABASE_URL"])
async def test_nothing_is_offered_where_nobody_answers_and_nobody_waits_for_it(payk: Payk, variable: str) -> None:
    began = time.monotonic()
    await payk.done("--version")
    start = time.monotonic() - began
    with socket.socket() as silent:  # takes connections and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        scheme = "http" if variable == "PAYK_ADMIN_URL" else "postgresql"
        for url in (f"{scheme}://127.0.0.1:{port}", f"{scheme}://127.0.0.1:9", "nonsense"):
            began = time.monotonic()
            assert await offered(payk, "payk client show ", {variable: url}) == []
            assert time.monotonic() - began < 4 * start + 1.5, "0.4 s, and what it takes to start"
