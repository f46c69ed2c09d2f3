"""Who may do what."""

from __future__ import annotations

import itertools

import pytest

from payk.domain.access import BOUND_ROLES, PERMISSIONS, Permission, Principal, PrincipalKind, Role


def principal(role: Role, **how: object) -> Principal:
    bound = {"client_id": 7} if role in BOUND_ROLES else {}
    return Principal(PrincipalKind.USER, 1, "somebody", role, **{**bound, **how})  # type: ignore[arg-type]


def test_the_table() -> None:
    """Written out once more, so that a change of it is meant."""
    p = Permission
    viewer = {p.READ_REGISTRY, p.READ_MESSAGES, p.READ_TRAFFIC}
    assert {
        Role.ADMIN: set(Permission),
        Role.OPERATOR: viewer | {p.CONTROL_TRAFFIC, p.CHANGE_OPERATORS, p.CHANGE_ROUTES, p.READ_METRICS},
        Role.CLIENT_MANAGER: viewer | {p.CHANGE_KEYS, p.REQUEST_SENDERS, p.READ_TEXTS},
        Role.CLIENT_VIEWER: viewer,
    } == PERMISSIONS


@pytest.mark.parametrize(("role", "permission"), list(itertools.product(Role, Permission)))
def test_whoever_belongs_to_a_client_may_there_alone(role: Role, permission: Permission) -> None:
    who = principal(role)
    may = permission in PERMISSIONS[role]
    assert who.may(permission) is may
    bound = role in BOUND_ROLES
    assert who.allows(permission, 7) is may
    assert who.allows(permission, 8) is (may and not bound)
    assert who.allows(permission) is (may and not bound)


@pytest.mark.parametrize("role", Role)
def test_scopes_only_narrow(role: Role) -> None:
    who = principal(role, scopes=frozenset({Permission.READ_REGISTRY, Permission.MANAGE_USERS}))
    assert {permission for permission in Permission if who.may(permission)} == PERMISSIONS[role] & {
        Permission.READ_REGISTRY,
        Permission.MANAGE_USERS,
    }


def test_a_role_of_a_client_without_one_is_no_principal() -> None:
    with pytest.raises(ValueError, match="client-viewer needs a client"):
        principal(Role.CLIENT_VIEWER, client_id=None)
    with pytest.raises(ValueError, match="admin is bound to no client"):
        principal(Role.ADMIN, client_id=7)
