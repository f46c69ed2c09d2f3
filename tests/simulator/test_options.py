"""Options: impossible values are refused by the name they have on the command line."""

from __future__ import annotations

from typing import Any

import pytest

from payk.simulator import IdForm, OptionsError, ReceiptForm, SimulatorOptions


def test_the_defaults() -> None:
    options = SimulatorOptions()
    assert (options.host, options.port, options.system_id, options.password) == ("127.0.0.1", 2775, "payk", "payk")
    assert (options.max_binds, options.latency, options.rate, options.window) == (0, 0, 0, 0)
    assert (options.refuse, options.throttle, options.lose) == (0, 0, 0)
    assert (options.ids, options.receipts) == (IdForm.DEC, ReceiptForm.BOTH)
    assert (options.scenario, options.record) == (None, None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"port": 70_000}, "--port: 70000 is no port"),
        ({"port": -1}, "--port: -1 is no port"),
        ({"system_id": ""}, "--system-id: should be"),
        ({"system_id": "пайк"}, "--system-id: should be ASCII"),
        ({"password": "p" * 65}, "--password: should be ASCII and at most 64"),
        ({"max_binds": -1}, "--max-binds: -1 should be 0 or more"),
        ({"latency": -0.1}, "--latency: -0.1 should be 0 or more"),
        ({"latency": float("nan")}, "--latency: nan should be 0 or more"),
        ({"latency": float("inf")}, "--latency: inf should be 0 or more"),
        ({"rate": -1}, "--rate: -1"),
        ({"window": -1}, "--window: -1"),
        ({"refuse": 1.1}, "--refuse: 1.1 should be a share from 0 to 1"),
        ({"throttle": -0.5}, "--throttle: -0.5"),
        ({"lose": float("nan")}, "--lose: nan"),
        ({"refuse": 0.5, "throttle": 0.4, "lose": 0.2}, "together they should be at most 1"),
        ({"ids": "octal"}, "--ids: 'octal' is not a valid IdForm; there are dec, hex, uuid, hex-dec"),
        ({"receipts": "fax"}, "--receipts: 'fax' is not a valid ReceiptForm; there are text, tlv, both"),
        ({"receipt_timeout": 0}, "receipt_timeout: 0 should be more than 0"),
    ],
)
def test_an_impossible_value_is_refused_in_one_line(given: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionsError) as caught:
        SimulatorOptions(**given)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_password_is_in_no_representation() -> None:
    assert "s3cret" not in repr(SimulatorOptions(password="s3cret"))
