"""Routes by client, type and weight, down to what two operators are given; changed while the centre runs."""

from __future__ import annotations

import asyncio
import json

from tests.end_to_end.payk import KEY, MESSAGE, Payk

MANY = 1_000
OTHER_KEY = "00000000-0000-4000-8000-000000000002"


def _registry(one: int, other: int) -> str:
    link = 'host = "127.0.0.1"\nsystem_id = "payk"\npassword = "payk"\nresponse_timeout = 5'
    return f"""
[[client]]
name = "bank"
api_keys = ["{KEY}"]
senders = ["AlifBank"]
[[client]]
name = "shop"
api_keys = ["{OTHER_KEY}"]
senders = ["Shop"]
[[client.sender]]
name = "Code"
operators = ["megafon"]

[[operator]]
name = "tcell"
[[operator.link]]
port = {one}
{link}
[[operator]]
name = "megafon"
[[operator.link]]
port = {other}
{link}

[[route]]
prefix = "992"
operators = ["tcell", "megafon"]
weights = {{tcell = 70, megafon = 30}}
[[route]]
prefix = ""
client = "bank"
sms_type = "otp"
operators = ["tcell"]
[[route]]
prefix = "992"
sms_type = "batch"
operators = ["megafon"]
"""


async def test_each_message_goes_where_its_route_leads(payk_on_server: Payk) -> None:
    payk = payk_on_server
    tcell, megafon = await payk.simulate(), await payk.simulate()
    await payk.apply(_registry(tcell.port, megafon.port))
    centre = await payk.serve()

    async def sent(numbers: range, key: str = KEY, **fields: object) -> list[str]:
        bulk = [MESSAGE | {"PhoneNumber": f"992{number}"} | fields for number in numbers]
        path, headers = "/api/v1/sms/bulk?MessageIds=true", {"X-Api-Key": key}
        answer = await centre.http.post(path, json=bulk, headers=headers)
        assert answer.status_code == 200, answer.text
        return [f"992{number}" for number in numbers]

    codes = await sent(range(910000000, 910000020), SmsType=2)
    mailing = await sent(range(920000000, 920000020), SmsType=3)
    of_shop = await sent(range(930000000, 930000020), OTHER_KEY, SenderAddress="Code", SmsType=2)
    shared = await sent(range(940000000, 940000000 + MANY), SmsType=1)
    async with asyncio.timeout(60):
        while len(tcell.record.submits()) + len(megafon.record.submits()) < MANY + 60:
            await asyncio.sleep(0.1)
    by_tcell, by_megafon = ({line["destination"] for line in place.record.submits()} for place in (tcell, megafon))
    assert {*codes} <= by_tcell
    assert {*mailing, *of_shop} <= by_megafon
    assert abs(len(by_tcell.intersection(shared)) - 700) <= 10
    assert abs(len(by_megafon.intersection(shared)) - 300) <= 10

    explained = json.loads(
        await payk.done("route", "explain", "992940000001", "--client", "bank", "--type", "common", "--json")
    )
    assert [(row["operator"], row["weight"]) for row in explained["operators"]] == [("tcell", 70), ("megafon", 30)]
    refused = await centre.http.post(
        "/api/v1/sms",
        json=MESSAGE | {"PhoneNumber": "79160000000", "SmsType": 1},
    )
    assert refused.json()["Errors"] == {"PhoneNumber": ["PhoneNumberNotRoutable"]}, "but for codes of the bank"


async def test_what_was_drawn_for_an_operator_that_is_away_goes_to_the_other(payk_on_server: Payk) -> None:
    payk = payk_on_server
    tcell, megafon = await payk.simulate(), await payk.simulate()
    await payk.apply(_registry(tcell.port, megafon.port))
    centre = await payk.serve()
    await centre.wait_for(await centre.send("992900000001"), "Delivered")
    await payk.done("operator", "drain", "megafon")
    await asyncio.sleep(1.2)
    ids = [await centre.send(f"99295000000{number}", SmsType=1) for number in range(10)]
    await centre.wait_for_all(ids, within=30)
    assert len([line for line in tcell.record.submits() if line["destination"].startswith("99295")]) == 10
