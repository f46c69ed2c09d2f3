"""An operator with every habit that is seen in the field, all at once: each message ends in the state that is true.

Ids in hexadecimal and in receipts in decimal, labels of receipts in any order, an over-long service_type, receipts on
another bind than the message's, receipts ahead of answers and twice, no id at all for some, 30 % of all submits refused
for speed whatever the speed.
"""

from __future__ import annotations

import faulthandler
from collections import Counter, defaultdict
from typing import Any

from tests.end_to_end.payk import MESSAGE, Payk, registry

MESSAGES = 10_000
BULK = 2_500
HABITS = (
    *("--ids", "hex-dec", "--receipts", "text", "--receipt-fields", "shuffled", "--receipts-on", "other"),
    *("--service-type", "SMPPGATEWAY", "--throttle", "0.3", "--early", "0.05", "--duplicate", "0.05"),
)
ENDS = {
    "992901": ("UNDELIV", "Undeliverable"),
    "992902": ("EXPIRED", "Expired"),
    "992903": ("REJECTD", "Rejected"),
    "992904": ("DELETED", "Deleted"),
}
"""By prefix: what the operator says in the end, and what that is called."""
RULES = "".join(f'[[rule]]\ndestination = "{prefix}*"\nreceipt = "{word}"\n' for prefix, (word, _) in ENDS.items())
TEXTS = ("Kod: 12345", "Ваш код: 12345", "Салом, Ҷаҳон! " * 8)  # GSM, UCS-2, two parts
LINK = "binds = 3\nwindow = 100"


def number(index: int) -> str:
    """A number of its own for each message; every tenth is one that the operator does not deliver to."""
    prefix = f"99290{1 + index // 10 % 4}" if index % 10 == 9 else "992900"
    return f"{prefix}{index:06}"


async def test_10_000_messages_over_an_operator_with_every_bad_habit_end_in_their_true_states(
    payk_on_server: Payk,
) -> None:
    faulthandler.cancel_dump_traceback_later()  # how long chance slows the link down is not known beforehand
    (payk_on_server.folder / "habits.toml").write_text(RULES)
    operator = await payk_on_server.simulate(*HABITS, "--scenario", str(payk_on_server.folder / "habits.toml"))
    await payk_on_server.apply(registry(operator.port, link=LINK))
    centre = await payk_on_server.serve(PAYK_RECEIPT_WAIT="120")
    bodies = [
        MESSAGE | {"PhoneNumber": number(index), "Text": TEXTS[index % len(TEXTS)], "SmsType": 1 + index % 3}
        for index in range(MESSAGES)
    ]
    ids: dict[str, str] = {}
    for start in range(0, MESSAGES, BULK):
        bulk = bodies[start : start + BULK]
        answer = await centre.http.post("/api/v1/sms/bulk", params={"MessageIds": "true"}, json=bulk)
        ids |= zip((body["PhoneNumber"] for body in bulk), answer.json()["MessageIds"], strict=True)

    states = await centre.wait_for_all(ids.values(), within=480)
    for phone, message_id in ids.items():
        expected = ENDS[phone[:6]][1] if phone[:6] in ENDS else "Delivered"
        assert states[message_id] == expected, phone

    submits: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in operator.record.submits():
        submits[line["destination"]].append(line)
    assert submits.keys() == ids.keys()
    for lines in submits.values():  # a part that was taken is never sent again
        taken = Counter(line["octets"] for line in lines if line["status"] == 0)
        assert set(taken.values()) == {1}
    throttled = sum(line["status"] == 0x58 for lines in submits.values() for line in lines)
    assert throttled > MESSAGES // 10
    learned = await payk_on_server.done("check")
    assert "ids in receipts: hex-dec, learned" in learned
