"""How a difference reads."""

from __future__ import annotations

import pytest

from payk.registry.difference import Change, Difference


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (Change("+", "client", "demo"), "+ client demo"),
        (Change("+", "sender", "AlifBank", "client demo"), "+ sender AlifBank of client demo"),
        (Change("~", "link", "tcell-1", fields={"window": (10, 100)}), "~ link tcell-1: window 10 -> 100"),
        (
            Change("~", "link", "tcell-1", fields={"rate": (0.0, 30.0)}, notes=("password changed",)),
            "~ link tcell-1: rate 0 -> 30, password changed",
        ),
        (
            Change("+", "link", "tcell-1", "operator tcell", {"port": (None, 2775), "tls": (None, None)}),
            "+ link tcell-1 of operator tcell: port 2775, tls none",
        ),
        (Change("~", "client", "demo", fields={"enabled": (True, False)}), "~ client demo: enabled true -> false"),
        (
            Change("~", "client", "demo", fields={"uncertain": ({}, {"otp": "hold", "batch": "resend"})}),
            "~ client demo: uncertain {} -> {otp = hold, batch = resend}",
        ),
        (
            Change("~", "route", "992", fields={"operators": (["tcell"], ["tcell", "megafon"])}),
            "~ route 992: operators [tcell] -> [tcell, megafon]",
        ),
        (Change("~", "link", "x", fields={"system_type": ("vma", "")}), '~ link x: system_type vma -> ""'),
    ],
)
def test_lines(change: Change, line: str) -> None:
    assert Difference((change,)).lines() == [line]


def test_nothing_changes() -> None:
    assert not Difference()
    assert Difference().lines() == ["nothing changes"]
