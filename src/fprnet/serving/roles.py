"""Who may do what: four roles, each of which may do all that the ones before it may."""

from __future__ import annotations

from typing import get_args

from fprnet.serving.answers import Permission, Role

__all__ = ["ROLES", "allows", "permissions"]

ROLES: tuple[Role, ...] = get_args(Role)
NEEDED: dict[Permission, Role] = {
    "metrics": "monitor",
    "search": "search",
    "mark": "search",
    "add": "write",
    "hide": "write",
    "group": "write",
    "export": "write",
    "erase": "admin",
}


def allows(role: Role, permission: Permission) -> bool:
    """Return whether a role has a permission.

    >>> allows("write", "search"), allows("write", "erase")
    (True, False)
    """
    return ROLES.index(role) >= ROLES.index(NEEDED[permission])


def permissions(role: Role) -> list[Permission]:
    """Return all that a role may do."""
    return [permission for permission in NEEDED if allows(role, permission)]
