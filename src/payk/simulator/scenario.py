"""Reading a scenario file: rules of one's own, in TOML.

::

    [[rule]]
    destination = "992901*"          # a number, or a prefix followed by *
    answer = "RTHROTTLED"            # "ok", a status by name or number (0x58); default "ok"
    times = 2                        # only the first two submits of each message; then it is taken
    answer_after = 0.5               # seconds; default: the latency of the operator
    lose = true                      # never answered
    drop = true                      # never answered, and the connection ends
    receipt = "UNDELIV"              # or "none"; default "DELIVRD", none if the answer is lost
    receipt_after = [1, 3]           # seconds after the answer: a number, or from and to; default [0.1, 1.0]
    error = 27                       # err: of the receipt, 0 to 999; default: by the state
    receipts = [{state = "ACCEPTD"}, {state = "DELIVRD", after = 3}]      # several, in place of receipt
    receipt_first = true             # the receipt does not wait for the answer
    no_id = true                     # answered with an empty message_id
    duplicate = true                 # each receipt is sent twice
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from payk.simulator.errors import ScenarioError
from payk.simulator.rule import DELIVERED_SOON, FAILURE_CODES, RECEIPT_STATES, Fate, ReceiptPlan, Rule
from payk.smpp import CommandStatus

__all__ = ["read_scenario"]

_RULE_KEYS: Final = (
    *("destination", "answer", "answer_after", "times", "lose", "drop"),
    *("receipt", "receipt_after", "receipts", "receipt_first", "error", "no_id", "duplicate"),
)
_RECEIPT_KEYS: Final = ("state", "after", "error")
_LONGEST: Final = 7 * 86_400.0
_SOON: Final = DELIVERED_SOON.receipts[0]


def read_scenario(path: Path) -> tuple[Rule, ...]:
    """The rules of a file, in its order. Raises `ScenarioError` with the file, the key and what would be right."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as exc:
        raise ScenarioError(f"{path}: cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ScenarioError(f"{path}: is not UTF-8") from exc
    except tomllib.TOMLDecodeError as exc:
        raise ScenarioError(f"{path}: is not TOML: {exc}") from exc
    try:
        return _rules(document)
    except _RuleError as exc:
        raise ScenarioError(f"{path}: {exc}") from exc


class _RuleError(Exception):
    """What is wrong at which key."""

    def __init__(self, key: str, wrong: str) -> None:
        super().__init__(f"{key}: {wrong}")


def _rules(document: Mapping[str, Any]) -> tuple[Rule, ...]:
    _check_keys("", document, ("rule",))
    tables = document.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise _RuleError("rule", "should be tables, each headed [[rule]]")
    rules: dict[str, Rule] = {}
    for position, table in enumerate(tables, 1):
        at = f"rule[{position}]"
        rule = _rule(at, table)
        if rule.destination in rules:
            raise _RuleError(f"{at}.destination", f"{rule.destination!r} has a rule already; one is enough")
        rules[rule.destination] = rule
    return tuple(rules.values())


def _rule(at: str, table: Mapping[str, Any]) -> Rule:
    _check_keys(at, table, _RULE_KEYS)
    destination = table.get("destination")
    if not isinstance(destination, str) or not re.fullmatch(r"[0-9]+\*?|\*", destination):
        raise _RuleError(
            f"{at}.destination", f'{destination!r} should be a number such as "992901234567" or a prefix as "992901*"'
        )
    status = _status(at, table)
    times = _times(at, table, trouble=status != CommandStatus.ESME_ROK)
    receipts = _receipts(at, table)
    first = _switch(at, table, "receipt_first")
    if first and status is None:
        raise _RuleError(f"{at}.receipt_first", "there is no answer that the receipt could come before; leave it out")
    if status and times is None and receipts:
        raise _RuleError(f"{at}.receipt", "a refused message has no receipt; leave it out, or add times")
    no_id = _switch(at, table, "no_id")
    if no_id and times is None and status != CommandStatus.ESME_ROK:
        raise _RuleError(f"{at}.no_id", "no message is taken that could lack one; leave it out, or add times")
    duplicate = _switch(at, table, "duplicate")
    if duplicate and receipts == ():
        raise _RuleError(f"{at}.duplicate", "there is no receipt that could be sent twice; leave it out")
    answer_after = _seconds(f"{at}.answer_after", table["answer_after"]) if "answer_after" in table else None
    taken = Fate(
        receipts=DELIVERED_SOON.receipts if receipts is None else receipts,
        answer_after=answer_after,
        receipt_first=first,
        no_id=no_id,
        duplicate=duplicate,
    )
    if status == CommandStatus.ESME_ROK:
        return Rule(destination, taken)
    lost = status is None
    trouble = Fate(
        status=status,
        receipts=(receipts or ()) if lost else (),
        answer_after=answer_after,
        drop=_switch(at, table, "drop"),
        duplicate=duplicate and lost,
    )
    return Rule(destination, trouble, times, taken)


def _status(at: str, table: Mapping[str, Any]) -> int | None:
    """The status of the answer; None if there is to be none."""
    silent = [key for key in ("lose", "drop") if _switch(at, table, key)]
    if not silent:
        return _answer(f"{at}.answer", table.get("answer", "ok"))
    if len(silent) > 1:
        raise _RuleError(f"{at}.drop", "a dropped connection answers nothing anyway; leave lose out")
    if "answer" in table:
        raise _RuleError(f"{at}.answer", f"there is no answer with {silent[0]} = true; leave one of them out")
    return None


def _answer(key: str, value: object) -> int:
    if isinstance(value, str):
        name = value.upper().removeprefix("ESME_")
        if name == "OK":
            return CommandStatus.ESME_ROK
        if f"ESME_{name}" in CommandStatus.__members__:
            return CommandStatus[f"ESME_{name}"]
        if re.fullmatch(r"0X[0-9A-F]{1,8}", name):
            return int(name, 16)
    elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0xFFFFFFFF:
        return value
    raise _RuleError(key, f'{value!r} is no status; write "ok", a name such as "RTHROTTLED" or a number such as 0x58')


def _times(at: str, table: Mapping[str, Any], *, trouble: bool) -> int | None:
    if "times" not in table:
        return None
    times = table["times"]
    if not isinstance(times, int) or isinstance(times, bool) or times < 1:
        raise _RuleError(f"{at}.times", f"{times!r} should be a whole number from 1")
    if not trouble:
        raise _RuleError(f"{at}.times", "says how often the answer is a refusal, lose or drop; add one of them")
    return times


def _receipts(at: str, table: Mapping[str, Any]) -> tuple[ReceiptPlan, ...] | None:
    """None: the file does not say."""
    singly = [key for key in ("receipt", "receipt_after", "error") if key in table]
    if "receipts" not in table:
        if not singly:
            return None
        return _one_receipt(at, table)
    if singly:
        raise _RuleError(f"{at}.{singly[0]}", "cannot stand beside receipts; say it there")
    entries = table["receipts"]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise _RuleError(f"{at}.receipts", 'should be a list such as [{state = "DELIVRD", after = 3}]')
    return tuple(_listed_receipt(f"{at}.receipts[{number}]", entry) for number, entry in enumerate(entries, 1))


def _one_receipt(at: str, table: Mapping[str, Any]) -> tuple[ReceiptPlan, ...]:
    name = table.get("receipt", "DELIVRD")
    if name == "none":
        for key in ("receipt_after", "error"):
            if key in table:
                raise _RuleError(f"{at}.{key}", 'there is no receipt with receipt = "none"; leave one of them out')
        return ()
    after = table.get("receipt_after", [_SOON.earliest, _SOON.latest])
    return (_plan(f"{at}.receipt", name, f"{at}.receipt_after", after, f"{at}.error", table.get("error")),)


def _listed_receipt(at: str, entry: Mapping[str, Any]) -> ReceiptPlan:
    _check_keys(at, entry, _RECEIPT_KEYS)
    return _plan(
        f"{at}.state", entry.get("state"), f"{at}.after", entry.get("after", 0), f"{at}.error", entry.get("error")
    )


def _plan(state_key: str, name: object, after_key: str, after: object, error_key: str, error: object) -> ReceiptPlan:
    if not isinstance(name, str) or name.upper() not in RECEIPT_STATES:
        raise _RuleError(state_key, f"{name!r} is no state; there are {', '.join(RECEIPT_STATES)}")
    state = RECEIPT_STATES[name.upper()]
    if isinstance(after, list):
        if len(after) != 2:
            raise _RuleError(after_key, f"{after!r} should be a number of seconds, or two: from and to")
        earliest, latest = (_seconds(after_key, bound) for bound in after)
    else:
        earliest = latest = _seconds(after_key, after)
    if earliest > latest:
        raise _RuleError(after_key, f"{after!r} should begin with the smaller number")
    if error is None:
        return ReceiptPlan(state, earliest, latest, FAILURE_CODES.get(state, 0))
    if not isinstance(error, int) or isinstance(error, bool) or not 0 <= error <= 999:
        raise _RuleError(error_key, f"{error!r} should be a whole number from 0 to 999")
    return ReceiptPlan(state, earliest, latest, error)


def _seconds(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LONGEST:
        raise _RuleError(key, f"{value!r} should be seconds from 0 to {_LONGEST:.0f}")
    return float(value)


def _switch(at: str, table: Mapping[str, Any], key: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise _RuleError(f"{at}.{key}", f"{value!r} should be true or false")
    return value


def _check_keys(at: str, table: Mapping[str, Any], known: Collection[str]) -> None:
    for key in table:
        if key not in known:
            nearest = get_close_matches(key, known, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"known here: {', '.join(known)}"
            raise _RuleError(f"{at}.{key}".lstrip("."), f"is no key; {hint}")
