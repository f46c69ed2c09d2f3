"""What is previewed is what is then submitted: parts, encoding and cuts, at the operator."""

from __future__ import annotations

import json

import pytest

from payk.text import ucs2
from tests.end_to_end.payk import MESSAGE, Payk, registry

TEXTS = [
    "Code: 12345",
    "x" * 161,
    "€[]" * 60,
    "Ваш код: 12345",
    "ы" * 71,
    "Тоҷикистон, Душанбе. " * 12,
    "👍🏽" * 40,
    "и\u0306" * 90,
    "“" + "a" * 69,
]
WAYS = {
    "as links are by default": "",
    "references of 16 bits": 'long_text = "udh16"',
    "SAR": 'long_text = "sar"',
    "UCS-2 alone": 'charset_map = {8 = "ucs2"}',
    "Latin-1 first": 'charset_map = {3 = "latin1", 8 = "ucs2"}',
}


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_told_is_what_is_submitted(payk_on_server: Payk, way: str) -> None:
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port, link=WAYS[way]))
    centre = await payk_on_server.serve()
    for place, text in enumerate(TEXTS):
        number = f"99290090090{place}"
        message = MESSAGE | {"PhoneNumber": number, "Text": text}
        told = (await centre.http.post("/api/v1/sms/preview", json=message)).json()
        assert told["Rejections"] == []
        await centre.send(number, Text=text)
        submits = await operator.record.wait_for(told["Parts"], number)
        await centre.wait_for(
            (await centre.http.get(f"/api/v1/sms?PhoneNumber={number}")).json()["Messages"][0]["MessageId"]
        )
        submits = operator.record.submits(number)
        assert len(submits) == told["Parts"], text
        assert {line["data_coding"] == 8 for line in submits} == {told["Encoding"] == "UCS2"}, text


async def test_the_cuts_are_those_of_the_parts(payk_on_server: Payk) -> None:
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port))
    centre = await payk_on_server.serve()
    text = "Тоҷикистон, Душанбе. " * 12
    told = (await centre.http.post("/api/v1/sms/preview", json=MESSAGE | {"Text": text})).json()
    await centre.send(Text=text)
    submits = await operator.record.wait_for(told["Parts"])
    ends = [0, *told["Ends"]]
    pieces = [text[ends[place] : ends[place + 1]] for place in range(told["Parts"])]
    sent = [bytes.fromhex(line["octets"])[6:] for line in submits]
    assert sorted(sent) == sorted(ucs2.encode(piece) for piece in pieces)


async def test_the_command_asks_the_centre(payk_on_server: Payk) -> None:
    await payk_on_server.apply(registry(9))
    centre = await payk_on_server.serve()
    where = {"PAYK_URL": str(centre.http.base_url), "PAYK_API_KEY": centre.http.headers["X-Api-Key"]}
    asked = ("preview", "ы" * 71, "--to", "992900900900", "--sender", "AlifBank")
    printed = await payk_on_server.done(*asked, **where)
    assert "operator  tcell" in printed and "parts     2, cut after character 67" in printed
    told = json.loads(await payk_on_server.done(*asked, "--json", **where))
    assert told["Route"]["Operators"][0]["Operator"] == "tcell"
    refused = await payk_on_server.run("preview", "x", "--to", "12", "--sender", "Nobody", **where)
    assert refused.returncode == 1
    assert "PhoneNumberInvalid" in refused.stdout and "SenderAddressNotAllowed" in refused.stdout
