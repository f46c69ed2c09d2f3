"""The tables of keys fit the domain they configure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from payk.domain.account import Client
from payk.domain.limits import Limits
from payk.domain.operator import Link, Operator
from payk.registry.errors import Problem
from payk.registry.key import Key, Option
from payk.registry.options import CLIENT, LINK, OPERATOR, TABLES
from payk.registry.value import Place

REQUIRED = {"host", "port", "system_id"}
DOMAIN = {"client": (Client, CLIENT), "operator": (Operator, OPERATOR), "link": (Link, LINK)}
OWN_COLUMNS = {
    *("client_id", "operator_id", "link_id", "name", "password", "links"),
    *("senders", "sender_expiry", "sender_operators", "limits"),
}


def default_of(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


@pytest.mark.parametrize("table", DOMAIN)
def test_every_setting_of_the_domain_is_a_key_with_the_same_default(table: str) -> None:
    shape, keys = DOMAIN[table]
    options = {name: key for name, key in keys.items() if isinstance(key, Option)}
    every = [*dataclasses.fields(shape), *(dataclasses.fields(Limits) if shape is Client else ())]
    fields = {field.name: field for field in every if field.init and field.name not in OWN_COLUMNS}
    assert options.keys() == fields.keys()
    for name in options.keys() - REQUIRED:
        assert options[name].decode(options[name].default) == default_of(fields[name]), name


@pytest.mark.parametrize("table", TABLES)
def test_every_key_says_what_it_is(table: str) -> None:
    keys: Mapping[str, Key] = TABLES[table]
    assert all(key.about.endswith(".") for key in keys.values())


def test_every_default_could_be_written() -> None:
    for table, keys in TABLES.items():
        for name, key in keys.items():
            # None stands for what cannot be written, and pairs are written as a table.
            if isinstance(key, Option) and key.default is not None:
                written = dict(key.default) if name == "charset_map" else key.default
                problems: list[Problem] = []
                assert key.read(written, Place(f"{table}.{name}", problems)) == key.default
                assert problems == []
