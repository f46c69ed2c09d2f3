"""Binds on real sockets: coming up, going down, coming back, leaving."""

from __future__ import annotations

import asyncio

import pytest

from payk.domain.operator import BindMode
from payk.links import Timing, backoff
from payk.links.backoff import Trouble
from payk.smpp import Bind, BindReceiver, BindTransceiver, BindTransmitter, CommandStatus
from tests.links.raw_smsc import answer_to, raw_operator, read_pdu
from tests.links.smsc import Smsc, answer_none, link_to, message, operator


async def test_a_transceiver_bind_says_what_the_settings_say() -> None:
    async with (
        operator() as smsc,
        link_to(smsc, system_type="cp", address_range="^992", interface_version=0x33) as bench,
    ):
        await bench.bound()
        (pdu,) = smsc.binds
        assert isinstance(pdu, BindTransceiver)
        assert (pdu.system_id, pdu.password, pdu.system_type, pdu.address_range, pdu.interface_version) == (
            "payk",
            "secret",
            "cp",
            "^992",
            0x33,
        )
        (status,) = bench.link.binds
        assert (status.number, status.last_error, status.waiting_for) == (1, None, None)
        assert status.since is not None


@pytest.mark.parametrize(
    ("version", "hints"), [(None, 1), (0x34, 1), (0x50, 1), (0x33, 0), (0x00, 0)], ids=lambda value: str(value)
)
async def test_what_the_operator_says_of_its_version_decides_over_optional_parameters(
    version: int | None, hints: int
) -> None:
    """One that says nothing is taken at our word."""
    async with operator(version=version) as smsc, link_to(smsc) as bench:
        await bench.bound()
        bench.link.submit(message())
        await bench.until(lambda: bench.results)
        assert len(smsc.submits[0].tlvs) == hints


async def test_enquire_link_goes_out_under_traffic_where_the_operator_wants_it() -> None:
    enquired = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer_to(await read_pdu(reader)))
        traffic = asyncio.create_task(chatter(writer))
        try:
            while (await read_pdu(reader))[4:8] != bytes.fromhex("00000015"):
                pass
            enquired.set()
        finally:
            traffic.cancel()

    async def chatter(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(bytes.fromhex("00000010000000150000000000000007"))
            await asyncio.sleep(0.02)

    async with raw_operator(talk) as port, link_to(port, enquire_interval=0.1, enquire_always=True):
        await asyncio.wait_for(enquired.wait(), 5)


async def test_a_long_password_is_sent_as_it_is() -> None:
    async with operator() as smsc, link_to(smsc, password="sixteen-letters!") as bench:
        await bench.bound()
        assert smsc.binds[0].password == "sixteen-letters!"


async def test_a_pair_is_bound_when_both_sessions_are() -> None:
    gate = asyncio.Event()

    async with operator() as smsc:
        smsc.on_bind = lambda smsc, pdu: None if isinstance(pdu, BindReceiver) and not gate.is_set() else 0
        timing = Timing(bind=0.2, stagger=0)
        async with link_to(smsc, bind=BindMode.PAIR, timing=timing) as bench:
            await bench.until(lambda: len(smsc.binds) == 2)
            assert [type(pdu) for pdu in smsc.binds] == [BindTransmitter, BindReceiver]
            assert not bench.link.binds[0].bound
            assert bench.link.capacity() == 0
            gate.set()
            await bench.bound()
            assert len(smsc.peers) == 2
            assert bench.link.capacity() == 100


async def test_a_pair_that_lost_one_session_comes_back_as_a_pair() -> None:
    async with operator() as smsc, link_to(smsc, bind=BindMode.PAIR) as bench:
        await bench.bound()
        smsc.receivers()[0].abort()
        await bench.bound(0)
        await bench.bound(1)
        await bench.until(lambda: len(smsc.peers) == 2)
        assert [type(pdu) for pdu in smsc.binds] == [BindTransmitter, BindReceiver] * 2
        assert smsc.unbinds == 1  # the session that was whole was left in order


async def test_binds_of_one_account_come_up_one_after_the_other() -> None:
    timing = Timing(stagger=0.1)
    async with operator() as smsc, link_to(smsc, binds=[1, 2, 3], timing=timing) as bench:
        began = asyncio.get_running_loop().time()
        await bench.bound(3)
        assert 0.2 <= asyncio.get_running_loop().time() - began < 1
        assert [status.number for status in bench.link.binds] == [1, 2, 3]


async def test_an_operator_that_is_away_is_tried_until_it_is_there() -> None:
    async with operator() as smsc:
        port = smsc.port
    async with link_to(port) as bench:
        await bench.until(lambda: bench.changes)
        (status,) = bench.link.binds
        assert (status.bound, status.waiting_for) == (False, "operator to be reachable")
        assert status.last_error is not None
        assert "refused" in status.last_error.lower()
        async with operator(port=port, watch=bench.watch):
            await bench.bound()
            assert bench.link.binds[0].last_error == status.last_error
            await bench.link.stop()


async def test_an_operator_that_accepts_and_says_nothing() -> None:
    async with operator(on_bind=lambda smsc, pdu: None if len(smsc.binds) == 1 else 0) as smsc, link_to(smsc) as bench:
        await bench.until(lambda: any(not status.bound and status.last_error for status in bench.link.binds))
        assert bench.link.binds[0].waiting_for == "operator to be reachable"
        await bench.bound()
        assert len(smsc.binds) == 2


async def test_an_operator_that_still_holds_the_old_session() -> None:
    async with operator(on_bind=lambda smsc, pdu: CommandStatus.ESME_RALYBND) as smsc, link_to(smsc) as bench:
        await bench.until(lambda: bench.changes)
        (status,) = bench.link.binds
        assert (status.bound, status.last_error) == (False, "ESME_RALYBND")
        assert status.waiting_for == "operator to free the bind"
        assert bench.link.capacity() == 0


async def test_the_first_try_after_the_operator_freed_the_old_session_binds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits between the tries, a minute and more, are those of test_backoff; here they are short."""
    monkeypatch.setitem(backoff._ROWS, Trouble.STILL_BOUND, backoff._Row(0.02, 0.1, 1.0, 1.1))
    freed = asyncio.Event()

    def on_bind(smsc: Smsc, pdu: Bind) -> int:
        return 0 if freed.is_set() else CommandStatus.ESME_RALYBND

    async with operator(on_bind=on_bind) as smsc, link_to(smsc) as bench:
        await bench.until(lambda: len(smsc.binds) == 4)
        freed.set()
        await bench.bound()
        assert len(smsc.binds) == 5
        assert bench.link.binds[0].last_error == "ESME_RALYBND"


@pytest.mark.parametrize(
    "code", [CommandStatus.ESME_RBINDFAIL, CommandStatus.ESME_RINVPASWD, CommandStatus.ESME_RINVSYSTYP, 0x0401]
)
async def test_an_account_that_is_refused(code: int) -> None:
    async with operator(on_bind=lambda smsc, pdu: code) as smsc, link_to(smsc) as bench:
        await bench.until(lambda: bench.changes)
        assert bench.link.binds[0].waiting_for == "operator to accept the account"
        assert len(smsc.binds) == 1


async def test_a_system_error_at_the_bind_is_tried_again_soon() -> None:
    script = [CommandStatus.ESME_RSYSERR, 0]
    async with operator(on_bind=lambda smsc, pdu: script.pop(0)) as smsc, link_to(smsc) as bench:
        await bench.bound()
        assert bench.link.binds[0].last_error == "ESME_RSYSERR"


async def test_a_lost_session_is_bound_anew() -> None:
    async with operator() as smsc, link_to(smsc) as bench:
        await bench.bound()
        smsc.drop()
        await bench.bound(0)
        assert bench.link.binds[0].waiting_for is not None
        await bench.bound(1)
        assert len(smsc.binds) == 2


async def test_an_operator_that_unbinds_is_answered_and_given_some_seconds() -> None:
    async with operator() as smsc, link_to(smsc) as bench:
        await bench.bound()
        smsc.peers[0].unbind()
        await bench.until(lambda: bench.link.binds[0].waiting_for == "operator to take binds again")
        assert bench.link.binds[0].last_error == "unbound by the operator"
        assert smsc.closed == 1


async def test_a_stop_unbinds_first() -> None:
    async with operator() as smsc, link_to(smsc, binds=[1, 2]) as bench:
        await bench.bound(2)
        await bench.link.stop()
        assert (smsc.unbinds, bench.link.binds) == (2, [])
        await bench.until(lambda: smsc.closed == 2)


async def test_a_stop_while_nothing_answers_is_quick() -> None:
    async with operator(on_bind=lambda smsc, pdu: None) as smsc, link_to(smsc, timing=Timing()) as bench:
        await bench.until(lambda: smsc.binds)
        async with asyncio.timeout(1):
            await bench.link.stop()


async def test_a_stop_in_the_wait_before_the_next_try_is_quick() -> None:
    async with operator(on_bind=lambda smsc, pdu: CommandStatus.ESME_RALYBND) as smsc, link_to(smsc) as bench:
        await bench.until(lambda: bench.changes)
        async with asyncio.timeout(1):
            await bench.link.stop()


async def test_a_stop_before_the_start() -> None:
    async with operator() as smsc, link_to(smsc) as bench:
        await bench.link.stop()
        assert bench.link.binds == []


async def test_a_bind_that_is_not_wanted_any_more_is_left_and_the_others_stay() -> None:
    async with operator() as smsc, link_to(smsc, binds=[1, 2]) as bench:
        await bench.bound(2)
        bench.link.want_binds([2])
        await bench.until(lambda: [status.number for status in bench.link.binds] == [2])
        assert smsc.unbinds == 1
        assert bench.link.binds[0].bound
        bench.link.want_binds([1, 2])
        await bench.bound(2)
        assert len(smsc.binds) == 3


async def test_a_bind_that_is_wanted_again_while_it_is_left_is_bound_after_that() -> None:
    async with operator(on_submit=answer_none) as smsc, link_to(smsc) as bench:
        await bench.bound()
        bench.link.submit(message())
        await bench.until(lambda: smsc.submits)
        bench.link.want_binds([])
        bench.link.want_binds([1])
        assert not bench.link.binds[0].bound
        await bench.bound(1)
        assert (smsc.unbinds, len(smsc.binds)) == (1, 2)


async def test_no_bind_without_its_lease() -> None:
    async with operator() as smsc, link_to(smsc, binds=[]) as bench:
        bench.lease[0] = False
        bench.link.want_binds([1])
        await bench.until(lambda: bench.lease_asked.count(False) > 1)
        assert bench.link.binds[0].waiting_for == "lease"
        assert smsc.connections == 0
        bench.lease[0] = True
        await bench.bound()


async def test_cancelling_the_run_unbinds_too() -> None:
    async with operator() as smsc, link_to(smsc) as bench:
        await bench.bound()
        for task in asyncio.all_tasks():
            if task.get_coro().__qualname__ == "Link.run":  # type: ignore[union-attr]
                task.cancel()
        await bench.until(lambda: smsc.unbinds == 1)


async def test_an_account_that_cannot_be_written_down_says_so() -> None:
    async with operator() as smsc, link_to(smsc, system_id="x" * 16) as bench:
        await bench.until(lambda: bench.changes)
        assert bench.link.binds[0].waiting_for == "operator to accept the account"
        assert "system_id" in (bench.link.binds[0].last_error or "")
