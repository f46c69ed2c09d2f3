"""Asks a site everything that its OpenAPI document describes, in right and in wrong forms."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

__all__ = ["ask_everything"]


@schemathesis.serializer("application/toml")
def _as_toml(context: Any, value: Any) -> bytes:
    return str(value).encode("utf-8", "replace")


def ask_everything(
    document: Any, address: str, headers: dict[str, str], *, examples: int, but: Collection[str] = ()
) -> set[str]:
    """Ask each operation `examples` times in each form; every answer must be one that is described, and none a 5xx.

    Returns the operations, such as `GET /api/v1/sms/{id}`; those in `but` are left alone. Blocks.
    """
    schema = schemathesis.openapi.from_dict(document)
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    asked = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.label in but:
            continue
        asked.add(operation.label)
        for mode in GenerationMode:
            _ask(operation, mode, address, headers, examples, checks)
    return asked


def _ask(
    operation: Any, mode: GenerationMode, address: str, headers: dict[str, str], examples: int, checks: list[Any]
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
        response = case.call(base_url=address, headers=headers)
        case.validate_response(response, checks=checks)

    ask()
