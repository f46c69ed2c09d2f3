"""A registry file: what is asked for, read from TOML and checked as far as the file alone can be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from payk.registry.errors import Problem, RegistryFileError
from payk.registry.key import Option
from payk.registry.options import PASSWORD_TEXT, TABLES, FromEnvironment, NamedKey, Sealed
from payk.registry.route_name import route_name
from payk.registry.toml import parse
from payk.registry.value import EnoughProblems, Place, shown, suggestion
from payk.store.registry import RouteKey

__all__ = [
    "ClientEntry",
    "KeyEntry",
    "LinkEntry",
    "OperatorEntry",
    "RegistryFile",
    "RouteEntry",
    "SenderEntry",
    "load",
    "read",
]

TOP = tuple(heading for heading in TABLES if "." not in heading)


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """What a file says of one API key besides that it is there."""

    path: str
    key: NamedKey
    options: Mapping[str, Any]
    revoked: bool


@dataclass(frozen=True, slots=True)
class SenderEntry:
    """What a file says of one sender."""

    path: str
    name: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ClientEntry:
    """What a file says of one client; `options` holds only what is written, in stored form."""

    path: str
    name: str
    options: Mapping[str, Any]
    senders: tuple[str, ...] | None
    """All that are approved, but for those in `sender_entries`; None where it is not written."""
    sender_entries: tuple[SenderEntry, ...]
    keys: tuple[NamedKey, ...]
    revoked: tuple[NamedKey, ...]
    key_entries: tuple[KeyEntry, ...]

    def named_keys(self) -> tuple[NamedKey, ...]:
        """Every key that is written, whatever is said of it."""
        return (*self.keys, *self.revoked, *(entry.key for entry in self.key_entries))


@dataclass(frozen=True, slots=True)
class LinkEntry:
    """What a file says of one link."""

    path: str
    operator: str
    name: str
    options: Mapping[str, Any]
    password: str | Sealed | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class OperatorEntry:
    """What a file says of one operator."""

    path: str
    name: str
    options: Mapping[str, Any]
    links: tuple[LinkEntry, ...]


@dataclass(frozen=True, slots=True)
class RouteEntry:
    """What a file says of one route."""

    path: str
    key: RouteKey
    options: Mapping[str, Any]
    operators: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class RegistryFile:
    """A checked file; `name` is what error lines call it."""

    name: str
    clients: tuple[ClientEntry, ...] = ()
    operators: tuple[OperatorEntry, ...] = ()
    routes: tuple[RouteEntry, ...] = ()


def load(path: Path | str, environ: Mapping[str, str]) -> RegistryFile:
    """Read a TOML file; `environ` is where {env = "NAME"} looks. RegistryFileError holds every problem."""
    name = str(path)

    def refused(wrong: str, right: str, at: str = "") -> RegistryFileError:
        return RegistryFileError(name, [Problem(at, wrong, right)])

    try:
        document = parse(Path(path).read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise refused(f"octet {error.start + 1} is not UTF-8", "save the file as UTF-8") from error
    except OSError as error:
        raise refused(f"cannot be read: {error.strerror or error}", "name a file that can") from error
    except RecursionError as error:
        raise refused("nested too deeply", "write tables as the documentation shows") from error
    except ValueError as error:  # includes TOMLDecodeError, and a number of thousands of digits
        words = str(error)
        found = re.search(r" \(at (line \d+, column \d+|end of document)\)$", words)
        wrong, at = (words[: found.start()], found[1]) if found else (words, "")
        raise refused(wrong, "this is not TOML", at) from error
    return read(document, name, environ)


def read(document: Mapping[str, Any], name: str, environ: Mapping[str, str]) -> RegistryFile:
    """Check a document of the form of the TOML file. RegistryFileError holds every problem."""
    problems: list[Problem] = []
    try:
        return _read(document, name, environ, problems)
    except EnoughProblems:
        raise RegistryFileError(name, problems) from None


def _read(document: Mapping[str, Any], name: str, environ: Mapping[str, str], problems: list[Problem]) -> RegistryFile:
    root = Place("", problems)
    for key in document:
        if key == "link":
            root.key(key).wrong("a link stands alone", "write [[operator.link]] below its [[operator]]")
        elif key not in TOP:
            root.key(key).wrong("unknown table", suggestion(key, TOP))
    clients = [_client(table, place) for table, place in _tables(document, "client", root)]
    operators = [_operator(table, place, environ) for table, place in _tables(document, "operator", root)]
    routes = [_route(table, place) for table, place in _tables(document, "route", root)]
    links = [link for operator in operators for link in operator.links]
    for client in clients:
        names = [(entry.path, entry.name.lower()) for entry in client.sender_entries]
        _distinct("sender", "name", names, problems)
    _distinct("client", "name", [(client.path, client.name) for client in clients], problems)
    _distinct("operator", "name", [(operator.path, operator.name) for operator in operators], problems)
    _distinct("link", "name", [(link.path, link.name) for link in links if link.name], problems)
    _distinct_routes(routes, problems)
    _keys_open_one_client(clients, problems)
    _revoked_keys_open_none(clients, problems)
    if problems:
        raise RegistryFileError(name, problems)
    return RegistryFile(name, tuple(clients), tuple(operators), tuple(routes))


def _tables(parent: Mapping[str, Any], heading: str, place: Place) -> list[tuple[Mapping[str, Any], Place]]:
    """The tables [[heading]] of `parent`, each with its place; what is no table is noted and left out."""
    key = heading.rpartition(".")[2]
    at = place.key(key)
    given = parent.get(key, [])
    if not isinstance(given, list):
        at.wrong(f"{shown(given)} where a list of tables belongs", f"write [[{heading}]] in two pairs of brackets")
        return []
    found: list[tuple[Mapping[str, Any], Place]] = []
    for index, table in enumerate(given):
        if isinstance(table, dict):
            found.append((table, at.item(index)))
        else:
            at.item(index).wrong(f"{shown(table)} is not a table", f"write [[{heading}]] and its keys below")
    return found


def _values(table: Mapping[str, Any], heading: str, place: Place, *, tables: tuple[str, ...] = ()) -> dict[str, Any]:
    """The written keys of a table, read; unknown ones are noted. `tables` are the keys of tables inside it."""
    keys = TABLES[heading]
    found = {}
    for name, value in table.items():
        if name in keys:
            found[name] = keys[name].read(value, place.key(name))
        elif name not in tables:
            place.key(name).wrong("unknown key", suggestion(name, (*keys, *tables)))
    return found


def _options(values: Mapping[str, Any], heading: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if isinstance(TABLES[heading][name], Option)}


def _name(values: Mapping[str, Any], heading: str, place: Place) -> str:
    """The name of a client or operator; "" where it is missing (noted) or could not be read."""
    if "name" not in values:
        place.key("name").wrong("missing", f"every {heading} needs a name")
    return values.get("name") or ""


def _client(table: Mapping[str, Any], place: Place) -> ClientEntry:
    values = _values(table, "client", place, tables=("key", "sender"))
    senders = values.get("senders")
    keys = [_key(key, at) for key, at in _tables(table, "client.key", place)]
    return ClientEntry(
        place.path,
        _name(values, "client", place),
        _options(values, "client"),
        None if senders is None else tuple(senders),
        tuple(_sender(sender, at) for sender, at in _tables(table, "client.sender", place)),
        (*values.get("api_keys", ()), *values.get("api_key_sha256", ())),
        tuple(values.get("revoked_keys", ())),
        tuple(key for key in keys if key is not None),
    )


def _key(table: Mapping[str, Any], place: Place) -> KeyEntry | None:
    values = _values(table, "client.key", place)
    named = [values[name] for name in ("key", "sha256") if name in values]
    if len(named) != 1:
        place.wrong("this key is named by both or neither of key and sha256", "write one of them")
        return None
    return named[0] and KeyEntry(place.path, named[0], _options(values, "client.key"), bool(values.get("revoked")))


def _sender(table: Mapping[str, Any], place: Place) -> SenderEntry:
    values = _values(table, "client.sender", place)
    return SenderEntry(place.path, _name(values, "sender", place), _options(values, "client.sender"))


def _operator(table: Mapping[str, Any], place: Place, environ: Mapping[str, str]) -> OperatorEntry:
    values = _values(table, "operator", place, tables=("link",))
    name = _name(values, "operator", place)
    links = [
        _link(link, at, name, f"{name}-{number}" if name else "", environ)
        for number, (link, at) in enumerate(_tables(table, "operator.link", place), start=1)
    ]
    return OperatorEntry(place.path, name, _options(values, "operator"), tuple(links))


def _link(
    table: Mapping[str, Any], place: Place, operator: str, default_name: str, environ: Mapping[str, str]
) -> LinkEntry:
    values = _values(table, "operator.link", place)
    password = values.get("password")
    if isinstance(password, FromEnvironment):
        password = _from_environment(password.variable, place.key("password"), environ)
    name = values.get("name", default_name) or ""
    return LinkEntry(place.path, operator, name, _options(values, "operator.link"), password)


def _from_environment(variable: str, place: Place, environ: Mapping[str, str]) -> str | None:
    if not environ.get(variable):
        place.wrong(f"the environment variable {variable} is not set", "set it, or write the password itself")
        return None
    password: str | None = PASSWORD_TEXT(environ[variable], place)
    return password


def _route(table: Mapping[str, Any], place: Place) -> RouteEntry:
    values = _values(table, "route", place)
    if "prefix" not in values:
        place.key("prefix").wrong("missing", 'every route needs a prefix; "" is every number')
    operators = values.get("operators")
    return RouteEntry(
        place.path,
        RouteKey(values.get("prefix") or "", values.get("client"), values.get("sender"), values.get("sms_type")),
        _options(values, "route"),
        None if operators is None else tuple(operators),
    )


def _distinct(what: str, key: str, names: Sequence[tuple[str, str]], problems: list[Problem]) -> None:
    """Note each (path, name) whose name an earlier one has; a name that is missing or unreadable is noted already."""
    if len(names) < 2:
        return
    noted = {problem.path for problem in problems}
    first_at: dict[str, str] = {}
    for path, name in names:
        if f"{path}.{key}" in noted:
            continue
        first = first_at.setdefault(name, path)
        if first != path:
            problems.append(Problem(f"{path}.{key}", f"{what} {shown(name)} is already at {first}", "write it once"))


def _distinct_routes(routes: Sequence[RouteEntry], problems: list[Problem]) -> None:
    unclear = {problem.path.partition(".")[0] for problem in problems}  # whose conditions may not be what was written
    first_at: dict[RouteKey, str] = {}
    for route in routes:
        first = first_at.setdefault(route.key.folded(), route.path)
        if first != route.path and not {first, route.path} & unclear:
            name = route_name(route.key) if route.key.conditional else f"with prefix {shown(route.key.prefix)}"
            wrong = f"a route {name} is already at {first}"
            problems.append(Problem(f"{route.path}.prefix", wrong, "write it once"))


def _keys_open_one_client(clients: Sequence[ClientEntry], problems: list[Problem]) -> None:
    first_named: dict[bytes, tuple[ClientEntry, NamedKey]] = {}
    for client in clients:
        for key in (*client.keys, *(entry.key for entry in client.key_entries)):
            other, first = first_named.setdefault(key.digests[0], (client, key))
            if other is not client:
                wrong = f"client {shown(other.name)} has the same key at {first.path}"
                problems.append(Problem(key.path, wrong, "give each client keys of its own"))
            elif first is not key:  # once in clear and once as its digest
                problems.append(Problem(key.path, f"the same key as {first.path}", "name it once"))


def _revoked_keys_open_none(clients: Sequence[ClientEntry], problems: list[Problem]) -> None:
    opens = {key.digests[0]: key.path for client in clients for key in client.keys}
    opens |= {
        entry.key.digests[0]: entry.path for client in clients for entry in client.key_entries if not entry.revoked
    }
    for client in clients:
        for key in client.revoked:
            paths = {opens[digest] for digest in key.digests if digest in opens}
            problems.extend(Problem(key.path, f"the same key is in {path}", "leave it out there") for path in paths)
