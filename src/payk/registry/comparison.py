"""What a file asks for against what is there: the rows to write, the difference, and what only now proves wrong.

A key that is not written leaves an existing row as it is, and gives a new one its default. Nothing here writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any, Final, Literal

from payk.registry.difference import Change, Difference
from payk.registry.errors import Problem, SecretError
from payk.registry.file import ClientEntry, KeyEntry, LinkEntry, OperatorEntry, RegistryFile, RouteEntry
from payk.registry.options import DEFAULTS, NamedKey, Sealed
from payk.registry.resource import password_place
from payk.registry.route_name import EVERY_NUMBER, route_name
from payk.registry.secrets import BOUND, SecretBox
from payk.registry.unwise import lacks_reserve, without_reserve
from payk.registry.value import shown, suggestion
from payk.store.registry import ClientRow, KeyRow, LinkRow, OperatorRow, RegistryRows, RouteRow, SenderRow

__all__ = ["Comparison"]

NEEDED_BY_NEW_LINK: Final = ("host", "port", "system_id", "password")
WHERE_PASSWORDS_GO: Final = ("host", "port", "tls")
"""What decides who gets the password of a link, and who else may read it on the way: only whoever knows the password
changes it, else it could be had by pointing the link to oneself."""


class Comparison:
    """The outcome of comparing `file` with `present`: `rows` to write, `difference`, `problems`.

    `takes_unbound`: also encrypted passwords that are not bound to the link they are of, as exports had them once.
    """

    def __init__(
        self, present: RegistryRows, file: RegistryFile, secret_box: SecretBox, *, takes_unbound: bool = True
    ) -> None:
        self._takes_unbound = takes_unbound
        self.rows = RegistryRows()
        self.problems: list[Problem] = []
        self._secret_box = secret_box
        self._changes: list[Change] = []
        self._without_reserve: list[str] = []
        self.hours_changed: list[str] = []
        """Clients that had hours for Batch and get others, or none."""
        self._clients = {row.name: row for row in present.clients}
        self._senders: dict[str, dict[str, SenderRow]] = {}
        for row in present.senders:
            self._senders.setdefault(row.client, {})[row.name.lower()] = row
        self._keys = {row.sha256: row for row in present.keys}
        self._operators = {row.name: row for row in present.operators}
        self._links = {row.name: row for row in present.links}
        self._routes = {row.key.folded(): row for row in present.routes}
        self._client_names = {*self._clients, *(client.name for client in file.clients)}
        self._operator_names = {*self._operators, *(operator.name for operator in file.operators)}
        for client in file.clients:
            self._compare_client(client)
        for operator in file.operators:
            self._compare_operator(operator)
        for route in file.routes:
            self._compare_route(route)

    @property
    def difference(self) -> Difference:
        """What becomes different."""
        return Difference(tuple(self._changes), tuple(without_reserve(self._without_reserve)))

    def _wrong(self, path: str, wrong: str, right: str) -> None:
        self.problems.append(Problem(path, wrong, right))

    def _of_another(self, key: NamedKey, owner: str, right: str) -> None:
        wrong, to_others = f"this key belongs to client {shown(owner)}", "this key belongs to another client"
        self.problems.append(Problem(key.path, wrong, right, to_others))

    def _compare_client(self, entry: ClientEntry) -> None:
        present = self._clients.get(entry.name)
        options, fields = _merged("client", present.options if present else None, entry.options)
        if present is None or fields:
            self.rows.clients.append(ClientRow(entry.name, options))
            self._changes.append(Change("~" if present else "+", "client", entry.name, fields=fields))
        if (fields.get("batch_hours") or (None,))[0]:
            self.hours_changed.append(entry.name)
        if lacks_reserve(options):
            self._without_reserve.append(entry.name)
        if entry.senders is not None:
            self._compare_senders(entry.name, entry.senders, apart={item.name.lower() for item in entry.sender_entries})
        for sender in entry.sender_entries:
            if not self._unknown_operators(sender.path, sender.options.get("operators", ())):
                self._compare_sender(entry.name, sender.name, sender.options)
        for key in entry.keys:
            self._open(entry.name, key, {})
        for key in entry.revoked:
            self._revoke(entry.name, key)
        for key_entry in entry.key_entries:
            self._compare_key(entry.name, key_entry)

    def _compare_senders(self, client: str, names: tuple[str, ...], *, apart: Set[str]) -> None:
        wanted = {name.lower() for name in names}
        for name in names:
            self._compare_sender(client, name, {"status": "approved"})
        for known_as, row in sorted(self._senders.get(client, {}).items()):
            if row.options["status"] == "approved" and known_as not in wanted | apart:
                self._compare_sender(client, row.name, {"status": "withdrawn"})

    def _compare_sender(self, client: str, name: str, written: Mapping[str, Any]) -> None:
        present = self._senders.get(client, {}).get(name.lower())
        options, fields = _merged("client.sender", present.options if present else None, written)
        if present is not None and present.name != name:
            fields = {"name": (present.name, name), **fields}
        if present is None or fields:
            self.rows.senders.append(SenderRow(client, name, options))
            sign: Literal["+", "~"] = "~" if present else "+"
            shown_fields = {} if present is None and options == DEFAULTS["client.sender"] else fields
            change = Change(sign, "sender", present.name if present else name, fields=shown_fields)
            self._changes.append(_of_client(change, client))

    def _compare_key(self, client: str, entry: KeyEntry) -> None:
        if entry.revoked:
            self._revoke(client, entry.key)
        else:
            self._open(client, entry.key, entry.options)

    def _open(self, client: str, key: NamedKey, written: Mapping[str, Any]) -> None:
        digest = key.digests[0]
        row = self._keys.get(digest)
        if row is not None and row.client != client:
            self._of_another(key, row.client, "give each client keys of its own")
            return
        if row is not None and row.revoked:
            self._wrong(key.path, "this key was revoked, and that is for good", "give the client a new key")
            return
        options, fields = _merged("client.key", row.options if row else None, written)
        if row is None or fields:
            change = Change("~" if row else "+", "api key", _fingerprint(digest), fields=fields)
            self._put_key(KeyRow(client, digest, False, options), change)

    def _revoke(self, client: str, key: NamedKey) -> None:
        digest = next((digest for digest in key.digests if digest in self._keys), key.digests[0])
        row = self._keys.get(digest)
        if row is None:
            # Kept, so that nobody can open it later.
            change = Change("+", "api key", _fingerprint(digest), notes=("revoked before it was ever known",))
            self._put_key(KeyRow(client, digest, True, dict(DEFAULTS["client.key"])), change)
        elif row.client != client:
            self._of_another(key, row.client, "revoke it there")
        elif not row.revoked:
            change = Change("~", "api key", _fingerprint(digest), notes=("revoked",))
            self._put_key(KeyRow(client, digest, True, row.options), change)

    def _put_key(self, row: KeyRow, change: Change) -> None:
        self.rows.keys.append(row)
        self._changes.append(_of_client(change, row.client))

    def _compare_operator(self, entry: OperatorEntry) -> None:
        present = self._operators.get(entry.name)
        options, fields = _merged("operator", present.options if present else None, entry.options)
        if present is None or fields:
            self.rows.operators.append(OperatorRow(entry.name, options))
            self._changes.append(Change("~" if present else "+", "operator", entry.name, fields=fields))
        for link in entry.links:
            self._compare_link(link)

    def _compare_link(self, entry: LinkEntry) -> None:
        present = self._links.get(entry.name)
        if present is None:
            written = {*entry.options, *([] if entry.password is None else ["password"])}
            missing = [key for key in NEEDED_BY_NEW_LINK if key not in written]
            for key in missing:
                self._wrong(f"{entry.path}.{key}", "missing", f"a new link needs {', '.join(NEEDED_BY_NEW_LINK)}")
            if missing:
                return
        elif present.operator != entry.operator:
            wrong = f"link {shown(entry.name)} belongs to operator {shown(present.operator)}"
            self._wrong(f"{entry.path}.name", wrong, "choose another name, or write it below that operator")
            return
        options, fields = _merged("operator.link", present.options if present else None, entry.options)
        moved = [key for key in WHERE_PASSWORDS_GO if key in fields]
        if present is not None and moved and not isinstance(entry.password, str):
            state = "missing" if entry.password is None else "it is not in clear"
            wrong = f"{state}, and {', '.join(moved)} of link {shown(entry.name)} would change"
            right = "whoever says where it is sent, and how protected, writes it as well"
            self._wrong(f"{entry.path}.password", wrong, right)
            return
        sealed, changed = self._password(entry, present, options)
        notes = ("password changed",) if present and changed else ()
        if present is None or fields or notes:
            self.rows.links.append(LinkRow(entry.operator, entry.name, options, sealed))
            of = f"operator {entry.operator}"
            self._changes.append(Change("~" if present else "+", "link", entry.name, of, fields, notes))

    def _password(self, entry: LinkEntry, present: LinkRow | None, options: Mapping[str, Any]) -> tuple[bytes, bool]:
        """The sealed password of a link that is to have these options, and whether it is another one than before."""
        written, unbound = entry.password, False
        try:
            if isinstance(written, Sealed):
                unbound = written.octets[:1] != BOUND
                place = password_place(options)
                written = (
                    self._secret_box.open(written.octets)
                    if unbound
                    else self._secret_box.open_for(place, written.octets)
                )
        except SecretError:
            wrong = (
                "it was sealed under another key" if unbound else "it was sealed under another key, or for another link"
            )
            self._wrong(f"{entry.path}.password", wrong, "write the password itself")
            return b"", False
        if present is not None:
            if written is None:
                return present.password, False
            try:
                if self._secret_box.open(present.password) == written:
                    return present.password, False
            except SecretError:
                pass  # sealed under a key that is gone: write it anew
        if unbound and not self._takes_unbound:
            wrong = "it is of an export that does not say which link it is of"
            right = "export anew, write the password itself, or apply the file on the database"
            self._wrong(f"{entry.path}.password", wrong, right)
            return b"", False
        return self._secret_box.seal(written or ""), True

    def _compare_route(self, entry: RouteEntry) -> None:
        present = self._routes.get(entry.key.folded())
        if entry.operators is None and present is None:
            self._wrong(f"{entry.path}.operators", "missing", "a new route needs at least one operator")
            return
        if self._unknown_operators(entry.path, entry.operators or ()):
            return
        if present is None and entry.key.client is not None and entry.key.client not in self._client_names:
            wrong = f"client {shown(entry.key.client)} is neither in this file nor in the database"
            self._wrong(f"{entry.path}.client", wrong, "write its [[client]], or leave it out for every client")
            return
        options, fields = _merged("route", present.options if present else None, entry.options)
        operators = list(entry.operators if entry.operators is not None else present.operators if present else ())
        before = list(present.operators) if present else None
        if operators != before:
            fields = {"operators": (before, operators), **fields}
        if fields and not self._does_not_draw(entry.path, operators, options):
            key = present.key if present else entry.key
            self.rows.routes.append(RouteRow(key, operators, options))
            sign: Literal["+", "~"] = "~" if present else "+"
            identity = {name: value for name, value in key._asdict().items() if value is not None}
            name = route_name(key) or EVERY_NUMBER
            change = Change(sign, "route", name, fields=fields, identity=identity if key.conditional else {})
            self._changes.append(change)

    def _unknown_operators(self, path: str, operators: Sequence[str]) -> bool:
        """Note the operators that are not known; whether there are any."""
        unknown = [(index, name) for index, name in enumerate(operators) if name not in self._operator_names]
        for index, name in unknown:
            wrong = f"operator {shown(name)} is neither in this file nor in the database"
            self._wrong(f"{path}.operators[{index}]", wrong, suggestion(name, self._operator_names))
        return bool(unknown)

    def _does_not_draw(self, path: str, operators: Sequence[str], options: Mapping[str, Any]) -> bool:
        """Note what keeps a route from drawing its operators; whether there is anything."""
        noted = len(self.problems)
        for key in ("weights", "costs"):
            for name in options[key]:
                if name not in operators:
                    wrong = f"operator {shown(name)} is none of this route"
                    self._wrong(f"{path}.{key}", wrong, suggestion(name, operators))
        if options["weights"] and not any(options["weights"].values()):
            self._wrong(f"{path}.weights", "no operator gets a share", "give one of them more than 0, or write {}")
        if options["order"] == "price" and options["weights"]:
            right = 'write order = "written" to share by weights, or weights = {} to take the cheapest'
            self._wrong(f"{path}.order", "there are weights as well", right)
        if options["order"] == "price" and not options["costs"]:
            right = 'write what a part costs, such as costs = {tcell = "0.08"}'
            self._wrong(f"{path}.costs", "no cost is known to order by", right)
        return len(self.problems) > noted


def _merged(
    heading: str, present: Mapping[str, Any] | None, written: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, tuple[Any, Any]]]:
    """The options of a row as they become, and what of the written differs: key -> (old, new)."""
    before = {**DEFAULTS[heading], **(present or {})}
    fields = {
        key: (None if present is None else before[key], value)
        for key, value in written.items()
        if present is None or before[key] != value
    }
    return {**before, **written}, fields


def _of_client(change: Change, client: str) -> Change:
    return Change(change.sign, change.kind, change.name, f"client {client}", change.fields, change.notes)


def _fingerprint(digest: bytes) -> str:
    """What a key is called where people read: the first digits of its SHA-256."""
    return digest.hex()[:8]
