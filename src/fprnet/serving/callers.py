"""Who asks: a key, or everybody on this machine where no keys are needed."""

from __future__ import annotations

from dataclasses import dataclass

from fprnet.gallery.database import Database
from fprnet.serving.answers import Permission, Role
from fprnet.serving.keys import find_key
from fprnet.serving.problems import ProblemError
from fprnet.serving.roles import NEEDED, allows

__all__ = ["LOCAL", "Caller", "identify", "require"]

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="fprnet"'}


@dataclass(frozen=True)
class Caller:
    """Who sent a request.

    Attributes:
        name: Name of the key; "local" without keys.
        role: What it may do.
        address: Address of the machine.
        by_key: Whether it had a key.
    """

    name: str
    role: Role
    address: str
    by_key: bool = True


LOCAL = "local"


def identify(header: str | None, address: str, keys: Database | None) -> Caller:
    """Return who a request is from.

    Args:
        header: Its Authorization header.
        address: It came from.
        keys: Database of the gallery that has the keys; None where none are needed.

    Raises:
        ProblemError: There is no key, or it is wrong or revoked.
        GalleryError: The keys cannot be read.
    """
    if keys is None:
        return Caller(LOCAL, "admin", address, by_key=False)
    kind, _, text = (header or "").partition(" ")
    if kind.lower() != "bearer" or not text.strip():
        raise ProblemError(
            401,
            "key_missing",
            "this service needs a key",
            "send it in the header 'Authorization: Bearer KEY'",
            CHALLENGE,
        )
    key = find_key(keys, text.strip())
    if key is None:
        raise ProblemError(401, "key_wrong", "the key is not known here", "ask for one", CHALLENGE)
    if key.revoked is not None:
        raise ProblemError(
            401, "key_revoked", f"the key of {key.name} was revoked", "ask for another", CHALLENGE
        )
    return Caller(key.name, key.role, address)


def require(caller: Caller, permission: Permission) -> None:
    """Refuse a caller whose role does not allow something.

    Raises:
        ProblemError: It does not.
    """
    if not allows(caller.role, permission):
        raise ProblemError(
            403,
            "role",
            f"the key of {caller.name} has the role {caller.role}, which may not {permission}",
            f"ask for a key of the role {NEEDED[permission]}",
        )
