"""The codes of the management API, besides those of the documented one (payk.domain.errors)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from payk.domain.errors import ErrorKind

__all__ = ["MANAGEMENT_ERRORS", "ManagementCode"]


class ManagementCode(StrEnum):
    """Every error that an answer of the management API may name of its own."""

    VALUE_INVALID = "ValueInvalid"
    REQUEST_INVALID = "RequestInvalid"
    UNAUTHORIZED = "Unauthorized"
    FORBIDDEN = "Forbidden"
    RESOURCE_NOT_FOUND = "ResourceNotFound"
    ALREADY_EXISTS = "AlreadyExists"
    FORCE_REQUIRED = "ForceRequired"
    CONFLICT = "Conflict"
    PRECONDITION_FAILED = "PreconditionFailed"
    TOO_MANY_ATTEMPTS = "TooManyAttempts"


MANAGEMENT_ERRORS: Mapping[ManagementCode, ErrorKind] = {
    ManagementCode.VALUE_INVALID: ErrorKind(400, "A setting has a value that it cannot have"),
    ManagementCode.REQUEST_INVALID: ErrorKind(400, "The request is not one that can be understood here"),
    ManagementCode.UNAUTHORIZED: ErrorKind(401, "A valid token is required"),
    ManagementCode.FORBIDDEN: ErrorKind(403, "The caller may not do this"),
    ManagementCode.RESOURCE_NOT_FOUND: ErrorKind(404, "There is no such thing"),
    ManagementCode.ALREADY_EXISTS: ErrorKind(409, "There is one already"),
    ManagementCode.FORCE_REQUIRED: ErrorKind(409, "This would cut off traffic that runs"),
    ManagementCode.CONFLICT: ErrorKind(409, "This cannot be done as things stand"),
    ManagementCode.PRECONDITION_FAILED: ErrorKind(412, "It has changed since it was read"),
    ManagementCode.TOO_MANY_ATTEMPTS: ErrorKind(429, "Too many attempts", retryable=True),
}
