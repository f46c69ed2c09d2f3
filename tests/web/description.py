"""Asks a site everything that its OpenAPI document describes, in right and in wrong forms."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

__all__ = ["Described", "ask_everything"]

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@schemathesis.serializer("application/toml")
def _as_toml(context: Any, value: Any) -> bytes:
    return str(value).encode("utf-8", "replace")


class Described:
    """A site with its description, to be asked for what is there."""

    def __init__(self, document: Any, address: str, headers: Mapping[str, str]) -> None:
        found = (one.ok() for one in schemathesis.openapi.from_dict(document).get_all_operations())
        self._operations = {operation.label: operation for operation in found}
        self._address, self._headers = address.rstrip("/"), headers
        self.done: set[str] = set()
        """The operations that succeeded, such as `GET /api/v1/sms/{id}`."""

    @property
    def left(self) -> set[str]:
        """The others."""
        return set(self._operations) - self.done

    def ask(self, operation: str, path: str, *, headers: Mapping[str, str] | None = None, **how: Any) -> Any:
        """The answer of an operation, which must be one that is described, and no refusal. Blocks."""
        method = operation.partition(" ")[0]
        given = {**self._headers, **(headers or {})}
        answer = requests.request(method, self._address + path, headers=given, timeout=20, **how)
        assert 200 <= answer.status_code < 300, (operation, answer.status_code, answer.text)
        places = dict.fromkeys(re.findall(r"\{(\w+)\}", operation), "x")  # nothing but a case can be validated
        self._operations[operation].Case(path_parameters=places).validate_response(answer, checks=CHECKS)
        self.done.add(operation)
        is_json = bool(answer.content) and answer.headers["content-type"].startswith("application/json")
        return answer.json() if is_json else None


def ask_everything(
    document: Any,
    address: str,
    headers: dict[str, str],
    *,
    examples: int,
    but: Collection[str] = (),
    places: Callable[[str], Mapping[str, str]] = lambda operation: {},
) -> set[str]:
    """Ask each operation `examples` times in each form; every answer must be one that is described, and none a 5xx.

    `places`: what stands in the path of an operation where its form is right, of what is there. Returns the operations,
    such as `GET /api/v1/sms/{id}`; those in `but` are left alone. Blocks.
    """
    schema = schemathesis.openapi.from_dict(document)
    asked = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.label in but:
            continue
        asked.add(operation.label)
        for mode in GenerationMode:
            known = places(operation.label) if mode is GenerationMode.POSITIVE else {}
            _ask(operation, mode, address, headers, examples, known)
    return asked


def _ask(
    operation: Any,
    mode: GenerationMode,
    address: str,
    headers: dict[str, str],
    examples: int,
    places: Mapping[str, str],
) -> None:
    try:
        strategy = operation.as_strategy(generation_mode=mode)
        strategy.validate()
    except Exception as error:
        if mode is GenerationMode.NEGATIVE and "negat" in str(error).lower():
            return  # an operation without parameters cannot be asked wrongly
        raise

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def ask(case: Any) -> None:
        case.path_parameters |= {name: value for name, value in places.items() if name in case.path_parameters}
        response = case.call(base_url=address, headers=headers)
        case.validate_response(response, checks=CHECKS)

    ask()
