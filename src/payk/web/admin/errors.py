"""What goes wrong in the management API, in the one error body that every site has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from payk.access import errors as access
from payk.domain.errors import Code, quoted
from payk.domain.management_errors import ManagementCode
from payk.logs import get_logger
from payk.metrics.catalogue import REFUSALS
from payk.registry.errors import (
    AlreadyThere,
    ChangedMeanwhile,
    ChangeRefused,
    DirectoryError,
    ForceRequired,
    NotThere,
    RegistryFileError,
    TrafficError,
)
from payk.registry.errors import Problem as RegistryProblem
from payk.sealing import KeyUnknown, SealError
from payk.store.balances import BalanceBelowZero, ReferenceReused, UnknownClient
from payk.store.blocked import NumbersInvalid
from payk.store.errors import OutcomeUnknown, RuleBroken, StoreRefused, StoreUnavailable
from payk.web.problems import RETRY_AFTER, Problem, problem_answer, problem_of

__all__ = ["already_changed", "answer_errors", "done_in_parts", "management_problem"]

log = get_logger("management")

SHOWN: Final = 20
"""Wrong numbers that are told of a list."""


def management_problem(error: Exception) -> Problem:
    """What an exception of a page is answered with."""
    match error:
        case RegistryFileError():
            return _values(error.problems)
        case TrafficError():
            return _choice(error.problems)
        case ForceRequired():
            detail = f"{' '.join(error.reasons)} Send it with ?force=true if that is meant."
            return Problem(ManagementCode.FORCE_REQUIRED, detail, members={"Reasons": list(error.reasons)})
        case AlreadyThere():
            return Problem(ManagementCode.ALREADY_EXISTS, str(error))
        case NotThere():
            return Problem(ManagementCode.RESOURCE_NOT_FOUND, str(error))
        case ChangedMeanwhile():
            return Problem(ManagementCode.PRECONDITION_FAILED, str(error))
        case ChangeRefused() | DirectoryError():
            return Problem(ManagementCode.CONFLICT, str(error))
        case KeyUnknown():
            detail = f"Nothing was shown: {error}. Give it that key as well, in PAYK_OLD_SECRET_KEYS."
            return Problem(ManagementCode.CONFLICT, detail)
        case SealError():
            return Problem(ManagementCode.CONFLICT, f"Nothing was shown: {error}. No key opens it.")
        case RequestValidationError():
            return _request(error.errors())
        case HTTPException(status_code=404):
            return Problem(Code.PATH_NOT_FOUND, "There is nothing at this path.")
        case HTTPException(status_code=405):
            allowed = (error.headers or {}).get("Allow", "")
            headers = [(b"allow", allowed.encode())]
            return Problem(Code.METHOD_NOT_ALLOWED, f"Allowed here: {allowed or 'nothing'}.", headers=headers)
        case HTTPException(status_code=413):
            return Problem(Code.PAYLOAD_TOO_LARGE, str(error.detail))
        case HTTPException():
            return Problem(ManagementCode.REQUEST_INVALID, str(error.detail))
        case access.ValueInvalid():
            wrong = f"{error.wrong}; {error.right}"
            return Problem(ManagementCode.VALUE_INVALID, f"{error}.", errors={error.field: [wrong]})
        case access.AlreadyThere():
            return Problem(ManagementCode.ALREADY_EXISTS, str(error))
        case access.NotThere():
            return Problem(ManagementCode.RESOURCE_NOT_FOUND, str(error))
        case access.ChangedMeanwhile():
            return Problem(ManagementCode.PRECONDITION_FAILED, str(error))
        case access.LastAdmin():
            return Problem(ManagementCode.CONFLICT, str(error))
        case access.LoginRefused():
            return Problem(ManagementCode.UNAUTHORIZED, str(error))
        case access.TooManyFailures():
            return Problem(ManagementCode.TOO_MANY_ATTEMPTS, str(error), retry_after=error.wait)
        case UnknownClient():
            return Problem(ManagementCode.RESOURCE_NOT_FOUND, f'There is no client "{error}".')
        case NumbersInvalid():
            wrong_lines = [f"number {line}: {why}" for line, why in error.lines[:SHOWN]]
            return Problem(ManagementCode.VALUE_INVALID, f"numbers: {error}.", errors={"numbers": wrong_lines})
        case BalanceBelowZero():
            return Problem(ManagementCode.CONFLICT, "A correction would take more than there is.")
        case ReferenceReused():
            detail = "The ledger has another amount under this reference already."
            return Problem(ManagementCode.CONFLICT, detail)
        case RuleBroken():
            return problem_of(error)  # what may break a rule of the schema is looked at before: this was not
        case StoreRefused() | UnicodeEncodeError():
            detail = "A value holds what cannot be stored, such as NUL or half of a character."
            return Problem(ManagementCode.REQUEST_INVALID, detail)
        case _:
            return problem_of(error)


@contextmanager
def done_in_parts(what_stays: str) -> Iterator[None]:
    """Around what is stored part by part: where the store goes away amid it, the answer says `what_stays`."""
    try:
        yield
    except (StoreUnavailable, OutcomeUnknown) as error:
        detail = f"The store cannot be reached just now. {what_stays}"
        raise Problem(Code.SERVICE_UNAVAILABLE, detail, retry_after=RETRY_AFTER) from error


@contextmanager
def already_changed() -> Iterator[None]:
    """Around what is read for the answer once a change is committed: where the store goes away then, nothing is undone,
    and who repeats it because nothing was told changes it twice."""
    try:
        yield
    except (StoreUnavailable, OutcomeUnknown) as error:
        detail = (
            "It is changed, and only the answer is missing: the store cannot be reached just now."
            " Look at how it stands; do not repeat the request."
        )
        raise Problem(Code.OUTCOME_UNKNOWN, detail, retry_after=RETRY_AFTER) from error


def _values(problems: Sequence[RegistryProblem]) -> Problem:
    """Every setting that is wrong, with the rule and what would be right."""
    errors: dict[str, list[str]] = {}
    for problem in problems:
        errors.setdefault(_setting(problem.path), []).append(f"{problem.wrong}; {problem.right}")
    detail = " ".join(f"{name}: {'; '.join(wrong)}." for name, wrong in errors.items())
    return Problem(ManagementCode.VALUE_INVALID, detail, errors=errors)


def _choice(problems: Sequence[RegistryProblem]) -> Problem:
    """What was meant is not there, or nothing was meant."""
    errors = {problem.path or "choice": [f"{problem.wrong}; {problem.right}"] for problem in problems}
    detail = " ".join(f"{name}: {wrong[0]}." for name, wrong in errors.items())
    return Problem(ManagementCode.VALUE_INVALID, detail, errors=errors)


def _setting(path: str) -> str:
    """The setting that a place of the document names: what stands around the resource itself is not the caller's."""
    return path.rpartition("].")[2] if "]." in path else path


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _request(errors: Sequence[Any]) -> Problem:
    """What FastAPI found, without the values: they may be secrets."""
    if any(error["type"] == "json_invalid" for error in errors):
        return Problem(Code.JSON_INVALID, "The body is no JSON.")
    found: dict[str, list[str]] = {}
    for error in errors:
        where, *names = (str(part) for part in error["loc"])
        wrong = (
            "unknown here" if error["type"] == "extra_forbidden" else str(error["msg"]).removeprefix("Value error, ")
        )
        found.setdefault(".".join(names) or where, []).append(wrong)
    detail = " ".join(f"{quoted(name)}: {'; '.join(wrong)}." for name, wrong in found.items())
    return Problem(ManagementCode.REQUEST_INVALID, detail, errors=found)


def answer_errors(application: FastAPI) -> None:
    """Have every exception of the pages answered so."""

    async def answered(request: Request, error: Exception) -> Response:
        problem = management_problem(error)
        problem.detail = _encodable(problem.detail)
        problem.errors = {
            _encodable(name): [_encodable(wrong) for wrong in found] for name, found in problem.errors.items()
        }
        fields = {
            "code": str(problem.code),
            "status": problem.status,
            "method": request.method,
            "path": request.url.path[:200],
            "request_id": request.state.request_id,
        }
        if problem.code is Code.INTERNAL_ERROR:
            log.error("request failed", exc_info=error, **fields)
        elif not getattr(request.state, "local", False):  # who asks inside a command is told itself
            log.info("request refused", **fields)
        REFUSALS.add("management", str(problem.code))
        answer = problem_answer(problem, request.state.request_id)
        headers = {name.decode(): value.decode() for name, value in answer.headers}
        return Response(answer.body, answer.status, headers, answer.content_type.decode())

    for kind in (Exception, HTTPException, RequestValidationError):
        application.add_exception_handler(kind, answered)
