"""`payk message`: finding messages, why one is not there yet, and taking over the statuses of another centre."""

from __future__ import annotations

import codecs
import io
import json
import re
from typing import Any

import pytest

from payk.cli.message import _octets
from payk.store.database import Database
from tests.end_to_end.payk import KEY, Payk, registry

HEADING = "MessageId,Client,MessageState,DateSubmitted,DateDone\n"
ROWS = (
    "5000001,bank,Delivered,2025-02-17T10:20:30,2025-02-17T10:22:00\n"
    "5000002,bank,8,2025-02-17T10:20:31,2025-02-17T10:22:01\n"
    "5000003,bank,Enroute,2025-02-17T10:20:32,\n"
)
ALL_NEW = "3 rows: 3 added, 0 completed, 0 known already, 0 refused\n"


def file(payk: Payk, content: str | bytes, name: str = "old.csv") -> str:
    """A file in the folder that commands run in."""
    (payk.folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


async def found(payk: Payk, *options: str) -> dict[str, Any]:
    return dict(json.loads(await payk.done("message", "search", "--json", *options)))


# -- search and show


async def test_a_customer_says_no_sms_came(payk_on_server: Payk) -> None:
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port))
    centre = await payk_on_server.serve()
    message_id = await centre.send("992900900901", SmsLabel="codes", ClientMessageId="a-1")
    await centre.send("992900900902")
    await centre.wait_for(message_id, "Delivered")

    printed = await payk_on_server.done("message", "search", "--number", "+992 900 900 901")
    assert re.search(
        rf"^{message_id} +\S+ \S+ +Delivered +bank +992900\*\*\*\*01 +AlifBank +Otp +tcell +codes",
        printed,
        re.MULTILINE,
    )
    assert "992900****02" not in printed
    page = await found(payk_on_server, "--client", "bank", "--label", "codes", "--state", "delivered", "--type", "otp")
    assert (page["next"], page["looked_back_to"]) == (None, None)
    [row] = page["items"]
    assert (row["message_id"], row["number"], row["state"]) == (message_id, "992900****01", "Delivered")
    assert (row["client_message_id"], row["sms_type"], row["operator"]) == ("a-1", "otp", "tcell")
    assert "12345" not in json.dumps(page)

    shown = await payk_on_server.done("message", "show", message_id)
    assert re.search(
        r"^why +Delivered at .*: the operator's receipt says so; it was handed to tcell at ", shown, re.MULTILINE
    )
    assert [word for word in ("accepted", "queued", "submitted", "receipt", "final") if word not in shown] == []
    told = json.loads(await payk_on_server.done("message", "show", message_id, "--json", "--whole-numbers"))
    assert told["number"] == "992900900901" and told["why"].startswith("Delivered at ")
    assert [event["event"] for event in told["events"]] == ["accepted", "queued", "submitted", "receipt", "final"]
    assert "12345" not in json.dumps(told) + shown


async def test_a_text_is_shown_to_whoever_may_and_that_is_recorded(payk_on_server: Payk) -> None:
    await payk_on_server.apply(registry(2775))
    centre = await payk_on_server.serve("--roles", "api,admin")
    message_id = await centre.send("992900900901", Text="Ваш код: 777", SmsType=2)
    shown = await payk_on_server.done("message", "show", message_id, "--text")
    assert re.search(r"^why +.*$", shown, re.MULTILINE) and re.search(r"^text +Ваш код: 777 *$", shown, re.MULTILINE)
    told = json.loads(await payk_on_server.done("message", "show", message_id, "--text", "--json"))
    assert (told["message_id"], told["text"]) == (message_id, "Ваш код: 777")

    def asked(token: str) -> dict[str, str]:
        return {"PAYK_ADMIN_URL": str(centre.admin.base_url), "PAYK_ADMIN_TOKEN": token}

    may = asked((await payk_on_server.done("token", "create", "may", "--role", "admin")).strip())
    assert "Ваш код: 777" in await payk_on_server.done("message", "show", message_id, "--text", **may)
    told = json.loads(await payk_on_server.done("message", "show", message_id, "--json", **may))
    assert told["message_id"] == message_id and "text" not in told
    may_not = asked((await payk_on_server.done("token", "create", "may not", "--role", "operator")).strip())
    assert message_id in await payk_on_server.done("message", "show", message_id, **may_not)
    refused = await payk_on_server.run("message", "show", message_id, "--text", **may_not)
    assert refused.returncode == 1 and "read-texts" in refused.stderr and "777" not in refused.stdout
    entries = [json.loads(line) for line in (await payk_on_server.run("audit", "export")).stdout.splitlines()]
    reads = [(entry["actor_kind"], entry["object_name"]) for entry in entries if entry["act"] == "text.read"]
    assert reads == [("local", message_id), ("local", message_id), ("token", message_id)]


async def test_a_message_that_waits_says_why(payk_on_server: Payk) -> None:
    await payk_on_server.apply(registry(9))  # nobody listens there
    centre = await payk_on_server.serve()
    message_id = await centre.send()
    told = json.loads(await payk_on_server.done("message", "show", message_id, "--json"))
    assert told["why"] == "It waits in the queue of tcell, lane Otp: no bind to any of these operators is up."
    assert told["why_code"] == "NoConnection"


async def test_pages_follow_each_other(payk_on_server: Payk) -> None:
    await payk_on_server.apply(registry(9))
    centre = await payk_on_server.serve()
    ids = [await centre.send(f"99290090090{number}") for number in range(5)]
    first = await found(payk_on_server, "--limit", "3")
    rest = await found(payk_on_server, "--limit", "3", "--cursor", first["next"])
    assert [row["message_id"] for page in (first, rest) for row in page["items"]] == ids[::-1]
    ended = await payk_on_server.run("message", "search", "--limit", "3")
    assert ended.stderr == f"there may be more: --cursor {first['next']}\n"
    nothing = await payk_on_server.run("message", "search", "--to", "2020-01-01")
    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (0, "", "no such message\n")


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("search", "--label", "x"), 1, "--label: each client has its own; name the client too"),
        (("search", "--client", "nobody"), 1, "--client: there is no client 'nobody'"),
        (("search", "--number", "99290"), 1, "--number: 7 to 15 digits"),
        (("search", "--number-ends", "0901"), 1, "--number-ends: no index knows the ends of numbers"),
        (("search", "--from", "yesterday"), 2, "--from should be a time such as"),
        (("search", "--from", "2026-01-02", "--to", "2026-01-01"), 1, "--to: it must lie behind"),
        (("search", "--limit", "1001"), 2, "--limit"),
        (("search", "--state", "sent"), 2, "--state"),
        (("show", "5"), 1, 'There is no message "5".'),
        (("show", "x"), 2, "ID"),
        (("import",), 2, "name the file to import, or --drop-before TIME"),
        (("import", "old.csv", "--drop-before", "2026-01-01"), 2, "name the file to import, or --drop-before TIME"),
        (("import", "--drop-before", "soon"), 2, "--drop-before should be a time such as"),
        (("import", "--drop-before", "2026-01-01", "--dry-run"), 2, "--dry-run goes with a file"),
        (("import", "missing.csv"), 2, "missing.csv: No such file or directory"),
    ],
)
async def test_what_cannot_be_is_one_line(
    payk_on_server: Payk, arguments: tuple[str, ...], code: int, line: str
) -> None:
    ended = await payk_on_server.run("message", *arguments)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (code, "", 1)
    assert ended.stderr.startswith("payk: ") and line in ended.stderr


# -- import


async def test_statuses_of_another_centre_answer_as_if_they_were_ours(payk_on_server: Payk) -> None:
    await payk_on_server.apply(registry(9) + '[[client]]\nname = "other"\napi_keys = ["' + "7" * 36 + '"]\n')
    name = file(payk_on_server, HEADING + ROWS)
    dry = await payk_on_server.done("message", "import", name, "--dry-run")
    assert dry == "3 rows: 3 added, 0 completed, 0 known already, 0 refused (a dry run: nothing changed)\n"
    centre = await payk_on_server.serve()
    assert (await centre.http.get("/api/v1/sms/5000001")).status_code == 404
    assert await payk_on_server.done("message", "import", name) == ALL_NEW
    assert (
        await payk_on_server.done("message", "import", name)
        == "3 rows: 0 added, 0 completed, 3 known already, 0 refused\n"
    )
    assert await centre.status("5000002") == {
        "MessageId": "5000002",
        "CommandStatus": "OK",
        "MessageState": "Rejected",
        "DateSubmitted": "2025-02-17T10:20:31",
        "DateDone": "2025-02-17T10:22:01",
    }
    foreign = await centre.http.get("/api/v1/sms/5000001", headers={"X-Api-Key": "7" * 36})
    assert (foreign.status_code, foreign.json()["MessageResult"]) == (404, "MessageNotFound")
    assert await payk_on_server.done("status", "5000001", PAYK_URL=str(centre.http.base_url), PAYK_API_KEY=KEY)
    told = json.loads(await payk_on_server.done("message", "show", "5000003", "--json"))
    assert (told["state"], told["client"], told["done_at"]) == ("Enroute", "bank", None)
    assert "its state was imported" in await payk_on_server.done("message", "show", "5000001")
    later = ROWS.replace("Enroute,2025-02-17T10:20:32,", "Delivered,2025-02-17T10:20:32,2025-02-17T11:00:00")
    assert await payk_on_server.done("message", "import", file(payk_on_server, HEADING + later)) == (
        "3 rows: 0 added, 1 completed, 2 known already, 0 refused\n"
    )
    assert (await centre.status("5000003"))["DateDone"] == "2025-02-17T11:00:00"
    assert await payk_on_server.done("message", "import", "--drop-before", "2025-02-18") == (
        "3 imported messages dropped\n"
    )
    assert (await centre.http.get("/api/v1/sms/5000001")).status_code == 404


async def test_bad_rows_are_told_by_their_lines_and_the_good_ones_are_taken(payk_on_server: Payk) -> None:
    await payk_on_server.apply(registry(9))
    bad = "100000000,bank,2,2025-02-17T10:20:30,\nx,bank,2,2025-02-17T10:20:30,\n5,nobody,2,2025-02-17T10:20:30,\n"
    ended = await payk_on_server.run("message", "import", file(payk_on_server, HEADING + ROWS + bad))
    assert ended.returncode == 1
    assert ended.stdout == "6 rows: 3 added, 0 completed, 0 known already, 3 refused\n"
    assert ended.stderr.splitlines() == [
        "client 'nobody' is unknown: 1 rows, the first in line 7",
        "line 5: MessageId 100000000 is not allowed: ids from 100000000 on are given away by this centre",
        "line 6: MessageId 'x' is not valid: digits, at most 18",
    ]
    other = ROWS.replace("Delivered", "Expired")
    ended = await payk_on_server.run("message", "import", file(payk_on_server, HEADING + other))
    assert ended.stderr == "line 2: MessageId 5000001 is stored already and otherwise; nothing was overwritten\n"
    assert (ended.returncode, ended.stdout) == (1, "3 rows: 0 added, 0 completed, 2 known already, 1 refused\n")


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (codecs.BOM_UTF8 + (HEADING + ROWS).replace("\n", "\r\n").encode(), ()),
        ((HEADING + ROWS).encode("utf-16"), ()),
        ((HEADING + ROWS).replace("bank", "Банк").encode("cp1251"), ("--encoding", "cp1251")),
        ((HEADING + ROWS).replace("bank", "Банк").encode(), ()),
        ((HEADING + ROWS).replace(",", ";").rstrip().encode(), ()),
    ],
    ids=["bom", "utf-16", "cp1251", "utf-8", "semicolons"],
)
async def test_files_of_other_programs(payk_on_server: Payk, content: bytes, options: tuple[str, ...]) -> None:
    await payk_on_server.apply(registry(9) + '[[client]]\nname = "Банк"\n')
    assert await payk_on_server.done("message", "import", file(payk_on_server, content), *options) == ALL_NEW


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "the file is empty"),
        (b"\x00" * 1_000_000, "line 1: the heading must name"),
        (bytes(range(256)) * 1_000, "line 1: the heading must name"),
        (ROWS.encode(), "line 1: the heading must name"),
        ("Номер;Клиент\n".encode("cp1251"), "it lacks MessageId, Client, MessageState, DateSubmitted, DateDone"),
    ],
    ids=["empty", "zeros", "octets", "no heading", "another heading"],
)
async def test_files_that_are_none(payk_on_server: Payk, content: bytes, line: str) -> None:
    ended = await payk_on_server.run("message", "import", file(payk_on_server, content))
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert ended.stderr.startswith("payk: old.csv: ") and line in ended.stderr


async def test_a_file_that_turns_into_rubbish_costs_only_the_rubbish(payk_on_server: Payk) -> None:
    await payk_on_server.apply(registry(9))
    rubbish = b'"\n' + b"\xff" * 300_000 + b"\n" + b"\0" * 200_000 + b"\n5000009,b\xd0nk,2,2025-02-17T10:20:30,\n"
    content = (HEADING + ROWS).encode() + rubbish + ROWS.replace("500000", "600000").encode()
    ended = await payk_on_server.run("message", "import", file(payk_on_server, content))
    assert ended.stdout == "10 rows: 6 added, 0 completed, 0 known already, 4 refused\n"
    assert len(ended.stderr) < 2_000


async def test_an_unknown_encoding(payk_on_server: Payk) -> None:
    name = file(payk_on_server, HEADING)
    ended = await payk_on_server.run("message", "import", name, "--encoding", "klingon")
    assert (ended.returncode, ended.stderr) == (
        2,
        "payk: old.csv: encoding klingon: no such encoding here; utf-8, utf-16 and cp1251 are some\n",
    )


class Trickle(io.RawIOBase):
    """A pipe of which one row has come; whoever waits for more waits for ever."""

    def __init__(self) -> None:
        self._asked = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        assert not self._asked, "it waits for more"
        self._asked = True
        buffer[: len(HEADING)] = HEADING.encode()
        return len(HEADING)


async def test_what_comes_slowly_is_sent_on_as_it_comes() -> None:
    assert await anext(_octets(io.BufferedReader(Trickle()))) == HEADING.encode()


async def test_a_hundred_thousand_rows_in_batches(payk_on_server: Payk, database: Database) -> None:
    await payk_on_server.apply(registry(9))
    rows = "".join(f"{number},bank,2,2025-02-17T10:20:30,2025-02-17T10:22:00\n" for number in range(1, 100_001))
    name = file(payk_on_server, HEADING + rows)
    printed = await payk_on_server.done("message", "import", name)
    assert printed == "100000 rows: 100000 added, 0 completed, 0 known already, 0 refused\n"
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from imported_message") == 100_000
