"""Scenario files: what they can say, and how a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from payk.simulator import ScenarioError, scenario
from payk.simulator.rule import DELIVERED_SOON, Fate, ReceiptPlan, Rule
from payk.simulator.scenario import read_scenario
from payk.smpp import CommandStatus, MessageState

DELIVERED = DELIVERED_SOON.receipts


def read(path: Path, text: str) -> tuple[Rule, ...]:
    path.write_text(text)
    return read_scenario(path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "scenario.toml"


@pytest.mark.parametrize(
    ("keys", "rule"),
    [
        ("", Rule("992901*", Fate(receipts=DELIVERED))),
        ('answer = "ok"', Rule("992901*", Fate(receipts=DELIVERED))),
        ('answer = "RINVDSTADR"', Rule("992901*", Fate(0x0B), None, Fate(receipts=DELIVERED))),
        ('answer = "esme_rthrottled"', Rule("992901*", Fate(0x58), None, Fate(receipts=DELIVERED))),
        ('answer = "0x400"', Rule("992901*", Fate(0x400), None, Fate(receipts=DELIVERED))),
        ("answer = 8\ntimes = 2", Rule("992901*", Fate(0x08), 2, Fate(receipts=DELIVERED))),
        ("answer_after = 0.5", Rule("992901*", Fate(receipts=DELIVERED, answer_after=0.5))),
        ("lose = true", Rule("992901*", Fate(None), None, Fate(receipts=DELIVERED))),
        ("drop = true", Rule("992901*", Fate(None, drop=True), None, Fate(receipts=DELIVERED))),
        (
            'lose = true\nreceipt = "DELIVRD"\nreceipt_after = 1',
            Rule(
                "992901*",
                Fate(None, (ReceiptPlan(MessageState.DELIVERED, 1, 1),)),
                None,
                Fate(receipts=(ReceiptPlan(MessageState.DELIVERED, 1, 1),)),
            ),
        ),
        ('receipt = "none"', Rule("992901*", Fate())),
        ('receipt = "undeliv"', Rule("992901*", Fate(receipts=(ReceiptPlan(MessageState.UNDELIVERABLE, 0.1, 1, 1),)))),
        (
            'receipt = "EXPIRED"\nreceipt_after = [1, 3]\nerror = 954',
            Rule("992901*", Fate(receipts=(ReceiptPlan(MessageState.EXPIRED, 1, 3, 954),))),
        ),
        (
            'receipts = [{state = "ACCEPTD"}, {state = "REJECTD", after = 2, error = 7}]',
            Rule(
                "992901*",
                Fate(receipts=(ReceiptPlan(MessageState.ACCEPTED), ReceiptPlan(MessageState.REJECTED, 2, 2, 7))),
            ),
        ),
        ("receipt_first = true", Rule("992901*", Fate(receipts=DELIVERED, receipt_first=True))),
        ("no_id = true", Rule("992901*", Fate(receipts=DELIVERED, no_id=True))),
        ("duplicate = true", Rule("992901*", Fate(receipts=DELIVERED, duplicate=True))),
        (
            'answer = "RSYSERR"\ntimes = 1\nno_id = true\nduplicate = true',
            Rule("992901*", Fate(0x08), 1, Fate(receipts=DELIVERED, no_id=True, duplicate=True)),
        ),
        (
            'lose = true\nreceipt = "DELIVRD"\nreceipt_after = 1\nduplicate = true',
            Rule(
                "992901*",
                Fate(None, (ReceiptPlan(MessageState.DELIVERED, 1, 1),), duplicate=True),
                None,
                Fate(receipts=(ReceiptPlan(MessageState.DELIVERED, 1, 1),), duplicate=True),
            ),
        ),
    ],
)
def test_a_rule_says(file: Path, keys: str, rule: Rule) -> None:
    assert read(file, f'[[rule]]\ndestination = "992901*"\n{keys}\n') == (rule,)


def test_rules_keep_the_order_of_the_file(file: Path) -> None:
    text = '[[rule]]\ndestination = "992900900900"\n[[rule]]\ndestination = "*"\n'
    assert [rule.destination for rule in read(file, text)] == ["992900900900", "*"]


def test_an_empty_file_is_no_rules(file: Path) -> None:
    assert read(file, "") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[rule]\n", "is not TOML: "),
        ("rules = 1", "rules: is no key; did you mean rule?"),
        ("rule = 1", "rule: should be tables, each headed [[rule]]"),
        ("[rule]\n", "rule: should be tables"),
        ("[[rule]]\n", "rule[1].destination: None should be a number"),
        ("[[rule]]\ndestination = 992\n", "rule[1].destination: 992 should be a number"),
        ('[[rule]]\ndestination = "99*2"\n', "rule[1].destination: '99*2' should be a number"),
        (
            '[[rule]]\ndestination = "1"\n[[rule]]\ndestination = "1"\n',
            "rule[2].destination: '1' has a rule already",
        ),
    ],
)
def test_a_broken_file_is_told_by_its_key(file: Path, text: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read(file, text)
    assert str(caught.value).startswith(f"{file}: {message}")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("recipt = 1", "recipt: is no key; did you mean receipt?"),
        ("zzz = 1", "zzz: is no key; known here: destination, answer"),
        ('answer = "RTHROTTLE"', 'answer: \'RTHROTTLE\' is no status; write "ok", a name such as "RTHROTTLED"'),
        ("answer = -1", "answer: -1 is no status"),
        ("answer = true", "answer: True is no status"),
        ("answer_after = -1", "answer_after: -1 should be seconds from 0 to 604800"),
        ("answer_after = inf", "answer_after: inf should be seconds"),
        ("answer_after = nan", "answer_after: nan should be seconds"),
        ("answer_after = true", "answer_after: True should be seconds"),
        ("times = 2", "times: says how often the answer is a refusal, lose or drop; add one of them"),
        ("lose = true\ntimes = 0", "times: 0 should be a whole number from 1"),
        ("lose = true\ntimes = 1.5", "times: 1.5 should be a whole number"),
        ("lose = 1", "lose: 1 should be true or false"),
        ("lose = true\ndrop = true", "drop: a dropped connection answers nothing anyway; leave lose out"),
        ('lose = true\nanswer = "ok"', "answer: there is no answer with lose = true"),
        ('answer = 8\nreceipt = "DELIVRD"', "receipt: a refused message has no receipt; leave it out, or add times"),
        ('receipt = "DELIVERD"', "receipt: 'DELIVERD' is no state; there are DELIVRD, EXPIRED"),
        ("receipt = 1", "receipt: 1 is no state"),
        ("receipt_after = [1]", "receipt_after: [1] should be a number of seconds, or two"),
        ("receipt_after = [3, 1]", "receipt_after: [3, 1] should begin with the smaller number"),
        ('receipt = "none"\nerror = 1', 'error: there is no receipt with receipt = "none"'),
        ("error = 1000", "error: 1000 should be a whole number from 0 to 999"),
        ("receipts = 1", "receipts: should be a list such as"),
        ('receipts = [{state = "DELIVRD"}]\nerror = 1', "error: cannot stand beside receipts"),
        ('receipts = [{state = "DELIVRD"}, {after = 1}]', "receipts[2].state: None is no state"),
        ('receipts = [{state = "DELIVRD", aftr = 1}]', "receipts[1].aftr: is no key; did you mean after?"),
        ("receipt_first = true\nlose = true", "receipt_first: there is no answer that the receipt could come before"),
        ("answer = 8\nno_id = true", "no_id: no message is taken that could lack one; leave it out, or add times"),
        ("lose = true\nno_id = true", "no_id: no message is taken that could lack one"),
        ('receipt = "none"\nduplicate = true', "duplicate: there is no receipt that could be sent twice; leave it out"),
        ("duplicate = 2", "duplicate: 2 should be true or false"),
    ],
)
def test_a_wrong_rule_is_told_by_its_key(file: Path, keys: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read(file, f'[[rule]]\ndestination = "992901*"\n{keys}\n')
    assert str(caught.value).startswith(f"{file}: rule[1].{message}")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(file: Path) -> None:
    with pytest.raises(ScenarioError, match=r"scenario\.toml: cannot be read: No such file"):
        read_scenario(file)


def test_a_file_that_is_no_text_is_named(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ScenarioError, match="is not UTF-8"):
        read_scenario(file)


def test_every_status_can_be_written_by_name(file: Path) -> None:
    for status in CommandStatus:
        if status:
            (rule,) = read(file, f'[[rule]]\ndestination = "1"\nanswer = "{status.name}"')
            assert rule.fate.status == status


def test_the_example_of_the_description_names_every_key() -> None:
    description = scenario.__doc__ or ""
    for key in ("destination", "answer", "answer_after", "times", "lose", "drop", "receipt", "receipt_after", "error"):
        assert f"\n    {key} = " in description
    assert "receipts = [" in description
    assert "receipt_first = " in description
    assert "no_id = " in description
    assert "duplicate = " in description
