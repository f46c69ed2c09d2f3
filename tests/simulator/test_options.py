"""Options: impossible values are refused by the name they have on the command line."""

from __future__ import annotations

from typing import Any

import pytest

from payk.simulator import (
    IdForm,
    OptionsError,
    ReceiptFields,
    ReceiptForm,
    ReceiptRoute,
    SimulatorOptions,
    ThrottleCode,
)


def test_the_defaults() -> None:
    options = SimulatorOptions()
    assert (options.host, options.port, options.system_id, options.password) == ("127.0.0.1", 2775, "payk", "payk")
    assert (options.max_binds, options.latency, options.rate, options.window) == (0, 0, 0, 0)
    assert (options.refuse, options.throttle, options.lose) == (0, 0, 0)
    assert (options.early, options.no_id, options.duplicate, options.congestion) == (0, 0, 0, None)
    assert (options.ids, options.receipts) == (IdForm.DEC, ReceiptForm.BOTH)
    assert (options.receipt_fields, options.receipts_on) == (ReceiptFields.STANDARD, ReceiptRoute.ANY)
    assert (options.service_type, options.timezone, options.interface_version) == ("", "UTC", 0x34)
    assert options.throttle_code is ThrottleCode.RTHROTTLED
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
        (
            {"ids": "octal"},
            "--ids: 'octal' is not a valid IdForm; there are dec, hex, uuid, hex-dec, dec-hex, dec-padded, hex-padded",
        ),
        ({"receipts": "fax"}, "--receipts: 'fax' is not a valid ReceiptForm; there are text, tlv, both, data_sm"),
        ({"receipt_fields": "x"}, "--receipt-fields: 'x' is not a valid ReceiptFields; there are standard, shuffled"),
        ({"receipts_on": "x"}, "--receipts-on: 'x' is not a valid ReceiptRoute; there are any, other"),
        ({"throttle_code": "x"}, "--throttle-code: 'x' is not a valid ThrottleCode; there are RTHROTTLED, RMSGQFUL"),
        ({"early": 2}, "--early: 2 should be a share from 0 to 1"),
        ({"no_id": -1}, "--no-id: -1 should be a share"),
        ({"duplicate": 1.5}, "--duplicate: 1.5 should be a share"),
        ({"early": 0.5, "lose": 0.6}, "--refuse, --throttle, --lose and --early: together they should be at most 1"),
        ({"service_type": "S" * 21}, "--service-type: should be ASCII and at most 20 characters"),
        ({"service_type": "a\0b"}, "--service-type: should be ASCII"),
        ({"interface_version": 0x35}, "--interface-version: 0x35 is none; there are 0x33, 0x34, 0x50"),
        ({"congestion": "high"}, "--congestion: high should be auto, or a number from 0 to 100"),
        ({"congestion": 101}, "--congestion: 101 should be auto"),
        ({"congestion": "auto"}, "--congestion: auto is the percentage of --rate in use; add --rate"),
        ({"timezone": "Dushanbe"}, "--timezone: 'Dushanbe' is no time zone; write a name such as \"Asia/Dushanbe\""),
        ({"timezone": "../UTC"}, "--timezone: '../UTC' is no time zone"),
        ({"timezone": ""}, "--timezone: '' is no time zone"),
        ({"messages_kept": 0}, "messages_kept: 0 should be more than 0"),
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
