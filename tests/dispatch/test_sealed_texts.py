"""Texts that are sealed in the database are sent as they were given."""

from __future__ import annotations

from pathlib import Path

from payk.domain.message import MessageState, SmsType
from payk.sealing import KeyRing, TextSeal
from payk.store.accept import insert_messages
from payk.store.database import Database
from tests.dispatch.centre import TEXTS, configure, running_centre, running_operator
from tests.store.rows import new_message


async def test_a_sealed_code_is_sent_and_one_that_no_key_opens_waits(database: Database, tmp_path: Path) -> None:
    async with running_operator(tmp_path) as operator:
        await configure(database, {"tcell": {"port": operator.port}})
        async with running_centre(database) as centre:
            await centre.bound()
            given = {
                "client_id": await centre.value("select client_id from client"),
                "queue_id": await centre.value("select queue_id from route"),
                "sms_type": SmsType.OTP,
            }
            other = TextSeal(KeyRing([bytes(32)]), on=True)
            lost, lost_parts = (
                new_message(phone="992900000001", **given),
                new_message(phone="992900000002", parts=2, **given),
            )
            await insert_messages(database, [lost, lost_parts], timeout=5, write_texts=other.written)
            good = new_message(phone="992900000003", text="Code: 12345", **given)
            [row] = await insert_messages(database, [good], timeout=5, write_texts=TEXTS.written)

            await centre.wait_for(
                "select state = $2 from message where message_id = $1", row.message_id, int(MessageState.DELIVERED)
            )
            await centre.wait_for("select count(*) = 2 from staged where due > now() + interval '50 seconds'")
            submits = await operator.submits()
            assert [(line["destination"], bytes.fromhex(line["octets"])) for line in submits] == [
                ("992900000003", b"Code: 12345")
            ]
            assert await centre.value("select count(*) from message where state = 0") == 2
