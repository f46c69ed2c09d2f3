"""The import contracts know every room: a room that is made enters each contract it belongs to."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "payk"

# What each contract is to name once every room is there.
SOURCES = {
    "the pure rooms do no I/O, read no clock, write no log": "smpp text domain",
    "only the store speaks SQL": (
        "web smppserver dispatch webhooks maintenance simulator intake registry access links smpp_connection"
    ),
    "only web knows the ASGI framework": (
        "smppserver dispatch webhooks maintenance simulator intake registry access links store smpp_connection"
    ),
    "only webhooks calls out over HTTP": (
        "web smppserver dispatch maintenance simulator intake registry access links store smpp_connection"
    ),
    "the simulated operator is an independent witness": "simulator",
    "the SDK stands alone": "client",
}
FORBIDDEN_ROOMS = {
    "the pure rooms do no I/O, read no clock, write no log": "clock logs metrics",
    "the simulated operator is an independent witness": "store links intake domain",
    "the SDK stands alone": (
        "app settings web store intake registry access links domain smpp text smpp_connection clock logs metrics"
    ),
}
SITES = "web.api web.admin web.console"


def contracts() -> dict[str, dict[str, Any]]:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return {contract["name"]: contract for contract in options["contracts"]}


def exists(room: str) -> bool:
    path = PACKAGE / room.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def made(rooms: str) -> set[str]:
    return {f"payk.{room}" for room in rooms.split() if exists(room)}


def layers() -> list[str]:
    return [room.strip() for layer in contracts()["rooms are layered, one way"]["layers"] for room in layer.split("|")]


def test_every_room_has_a_layer() -> None:
    listed = {room.strip("()") for room in layers()}
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__"} <= listed


@pytest.mark.parametrize("room", layers())
def test_parentheses_stand_for_a_room_not_made_yet(room: str) -> None:
    assert exists(room.strip("()")) == (not room.startswith("("))


def test_every_contract_is_known_here() -> None:
    others = {"rooms are layered, one way", "the three sites do not know each other", "no cycles anywhere"}
    assert set(contracts()) == {*SOURCES, *others}


@pytest.mark.parametrize("name", SOURCES)
def test_a_contract_names_every_room_it_binds(name: str) -> None:
    assert set(contracts()[name]["source_modules"]) == made(SOURCES[name])


@pytest.mark.parametrize("name", FORBIDDEN_ROOMS)
def test_a_contract_names_every_room_it_closes(name: str) -> None:
    closed = {module for module in contracts()[name]["forbidden_modules"] if module.startswith("payk.")}
    assert closed == made(FORBIDDEN_ROOMS[name])


def test_the_sites_are_all_named() -> None:
    assert set(contracts()["the three sites do not know each other"]["modules"]) == made(SITES)


def test_no_room_has_a_name_that_says_nothing() -> None:
    names = {path.stem for path in PACKAGE.rglob("*") if path.is_dir() or path.suffix == ".py"}
    assert not [name for name in names if re.fullmatch(r"_*(utils?|common|core|helpers?|managers?|misc)", name)]
