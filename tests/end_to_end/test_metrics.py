"""GET /metrics of real processes, as Prometheus asks for it."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from collections.abc import Callable, Mapping

import httpx

from tests.end_to_end.payk import KEY, MESSAGE, Centre, Payk, registry
from tests.requires import require_program

Figures = Mapping[str, float]
"""Series, as written, without the labels that name the process -> value."""


async def token(payk: Payk) -> str:
    """Of somebody who may scrape and nothing else."""
    printed = await payk.done("token", "create", "prometheus", "--role", "operator", "--scopes", "read-metrics")
    return printed.split()[-1]


async def scrape(centre: Centre, bearer: str) -> tuple[Figures, str]:
    answer = await centre.admin.get("/metrics", headers={"Authorization": f"Bearer {bearer}"})
    assert answer.status_code == 200, answer.text
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    figures = {}
    for line in lines:
        series, value = line.rsplit(" ", 1)
        series = re.sub(r'process="[^"]*",role="[^"]*",?', "", series).removesuffix("{}")
        figures[series] = float(value)
    return figures, answer.text


async def until(
    centre: Centre, bearer: str, holds: Callable[[Figures], bool], within: float = 20.0
) -> tuple[Figures, str]:
    """The first scrape for which something holds."""
    deadline = time.monotonic() + within
    while True:
        figures, text = await scrape(centre, bearer)
        if holds(figures):
            return figures, text
        assert time.monotonic() < deadline, text
        await asyncio.sleep(0.1)


async def test_a_message_is_counted_on_its_whole_way(payk_on_server: Payk) -> None:
    payk = payk_on_server
    operator = await payk.simulate()
    await payk.apply(registry(operator.port))
    centre = await payk.serve()
    bearer = await token(payk)
    for number in range(2):
        await centre.wait_for(await centre.send(f"99290090090{number}"), "Delivered")
    long = await centre.http.post(
        "/api/v1/sms", json=MESSAGE | {"PhoneNumber": "992900900902", "Text": "two parts " * 20}
    )
    await centre.wait_for(long.json()["MessageId"], "Delivered")
    refused = await centre.http.post("/api/v1/sms", json={"PhoneNumber": "x"})
    assert refused.status_code == 400
    where = 'operator="tcell",lane="otp"'
    figures, text = await until(
        centre,
        bearer,
        lambda found: (
            found.get(f"payk_submit_to_receipt_seconds_count{{{where}}}") == 4 and "payk_centre_ids_used_ratio" in found
        ),
    )
    assert figures['payk_messages_accepted_total{lane="otp"}'] == 3
    assert figures[f"payk_accept_to_submit_seconds_count{{{where}}}"] == 3
    assert figures[f"payk_submit_to_answer_seconds_count{{{where}}}"] == 3
    assert figures[f'payk_outcomes_total{{{where},outcome="accepted"}}'] == 4
    assert figures['payk_receipts_total{operator="tcell",state="delivered"}'] == 4
    assert figures['payk_possible_duplicates_total{operator="tcell"}'] == 0
    assert sum(value for name, value in figures.items() if name.startswith('payk_refusals_total{door="api"')) == 1
    assert figures['payk_link_binds{operator="tcell",link="tcell-1",state="bound"}'] == 1
    assert figures['payk_centre_link_binds{operator="tcell",link="tcell-1"}'] == 1
    assert figures['payk_centre_processes{has_role="dispatch"}'] == 1
    assert figures["payk_database_reachable"] == 1
    assert time.time() - figures['payk_last_receipt_timestamp_seconds{operator="tcell"}'] < 60
    assert figures['payk_batch_items_count{batch="group commit"}'] >= 1
    checked = await asyncio.to_thread(
        subprocess.run,
        [require_program("promtool", "prometheus"), "check", "metrics"],
        input=text,
        text=True,
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stderr


LARGE = [f"operator-{number}" for number in range(10)]
LANES = [{"SmsType": 2}, *({"SmsType": 1, "Priority": priority} for priority in range(3)), {"SmsType": 3}]
WITHIN = 0.02


def large(port: int) -> str:
    """Ten operators of three links each, a route to each."""
    parts = [f'[[client]]\nname = "bank"\napi_keys = ["{KEY}"]\nsenders = ["AlifBank"]\n']
    for number, name in enumerate(LARGE):
        link = f'host = "127.0.0.1"\nport = {port}\nsystem_id = "payk"\npassword = "payk"\n'
        links = [f'[[operator.link]]\nname = "{name}-{each}"\n{link}' for each in range(3)]
        route = f'[[route]]\nprefix = "9929{number}"\noperators = ["{name}"]\n'
        parts += [f'[[operator]]\nname = "{name}"\n', *links, route]
    return "".join(parts)


async def test_a_scrape_of_a_large_centre_is_answered_within_20_ms(payk_on_server: Payk) -> None:
    """By the endpoint itself, after each operator took messages of each lane. The best of many counts, for the machine
    may do something else. (Receipts come over any bind of the one account, so most of them are parked.)"""
    payk = payk_on_server
    operator = await payk.simulate()
    await payk.apply(large(operator.port))
    centre = await payk.serve()
    items = [
        MESSAGE | {"PhoneNumber": f"9929{number}0900900", "Text": f"of {number}"} | lane
        for number in range(len(LARGE))
        for lane in LANES
    ]
    answer = await centre.http.post("/api/v1/sms/bulk", json=items)
    assert answer.json() == {"Added": 50}
    bearer = await token(payk)

    def is_whole(found: Figures) -> bool:
        bound = [value for name, value in found.items() if name.startswith("payk_link_binds{") and "bound" in name]
        answered = [name for name in found if name.startswith("payk_submit_to_answer_seconds_count{")]
        return sum(bound) == 30 and len(answered) == 50 and "payk_centre_database_bytes" in found

    _, text = await until(centre, bearer, is_whole, within=60)
    assert text.count("\n") > 2_000
    took = []
    for _ in range(50):
        began = time.perf_counter()
        answer = await centre.admin.get("/metrics", headers={"Authorization": f"Bearer {bearer}"})
        took.append(time.perf_counter() - began)
        assert answer.status_code == 200 and len(answer.content) > 0.9 * len(text)
        await asyncio.sleep(0.02)
    assert min(took) < WITHIN, sorted(took)


async def test_each_process_tells_of_itself_and_one_of_the_whole(payk_on_server: Payk) -> None:
    payk = payk_on_server
    operator = await payk.simulate()
    await payk.apply(registry(operator.port))
    bearer = await token(payk)
    one = await payk.serve()
    two = await payk.serve("--roles", "api,dispatch,maintenance")
    for number in range(4):
        await one.send(f"99290090090{number}")
    await two.send("992900900909")

    def told(text: str, name: str) -> list[str]:
        return re.findall(rf"^{name}\{{(.*)\}} ", text, re.MULTILINE)

    accepted = 'payk_messages_accepted_total{lane="otp"}'
    first, text = await until(one, bearer, lambda found: "payk_centre_ids_used_ratio" in found)
    second, other = await scrape(two, bearer)
    assert (first[accepted], second[accepted]) == (4, 1)
    [labels], [others] = told(text, "payk_messages_accepted_total"), told(other, "payk_messages_accepted_total")
    assert 'role="admin+api+dispatch+maintenance"' in labels
    assert 'role="api+dispatch+maintenance"' in others
    port = one.admin.base_url.port
    assert f"metrics      http://127.0.0.1:{port}/metrics\n" in one.program.stdout
    assert re.search(rf'process="[^"]+:{port}"', labels)
    assert "process=" not in "".join(told(text, "payk_centre_processes"))
    assert "payk_centre_" not in other  # it holds no duty
    bound = 'payk_link_binds{operator="tcell",link="tcell-1",state="bound"}'
    assert first[bound] + second.get(bound, 0) == 1


async def test_from_elsewhere_nothing_is_told_without_a_token(payk_on_server: Payk) -> None:
    centre = await payk_on_server.serve()
    assert (await centre.admin.get("/metrics")).status_code == 200  # on this machine
    answer = await centre.admin.get("/metrics", headers={"X-Forwarded-For": "198.51.100.7"})
    assert answer.status_code == 401
    assert answer.json()["MessageResult"] == "Unauthorized"
    async with httpx.AsyncClient(base_url=centre.http.base_url) as http:
        assert (await http.get("/metrics")).status_code == 404  # nothing of it on the API
