"""The sites: which paths there are, and what happens to a request whatever its path.

Every answer carries X-Request-Id, and every answer that is not 2xx the documented error body; a 500 is a defect.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from starlette.types import Receive, Scope, Send

from payk.clock import Clock
from payk.domain.directory import CurrentDirectory
from payk.domain.errors import Code, quoted
from payk.domain.receipt import ReceiptWait
from payk.intake import Intake
from payk.intake.preview import Previews
from payk.logs import get_logger
from payk.metrics.catalogue import REFUSALS
from payk.outcome_log import OutcomeLog
from payk.store.database import Database
from payk.store.rates import SharedRates
from payk.store.statuses import StatusReader
from payk.store.timeline import TimelineReader
from payk.web.admin.management import Management
from payk.web.admin.site import ROOT, ManagementApi
from payk.web.admission import Admission
from payk.web.answers import LIMIT, Answer, Stream
from payk.web.api.commands import CommandReader
from payk.web.api.control import Control
from payk.web.api.events import Timelines
from payk.web.api.listing import Listing
from payk.web.api.openapi import document
from payk.web.api.paths import Methods, SmsPaths
from payk.web.api.preview import Previewing
from payk.web.api.question import Questions
from payk.web.api.reports import OwnReports
from payk.web.api.send import Sending
from payk.web.api.status import Statuses
from payk.web.auth import Authenticator
from payk.web.caller import HungUp, Network, caller_address
from payk.web.docs import documentation
from payk.web.exchange import Exchange
from payk.web.health import Health, Readiness
from payk.web.metrics import MetricsPage
from payk.web.problems import Problem, problem_answer, problem_of
from payk.web.reports import Reports

__all__ = ["ManagementSite", "PublicOptions", "PublicSite", "Site"]

log = get_logger("web")


@dataclass(frozen=True, slots=True)
class PublicOptions:
    """How the public site behaves. `answer_timeout` in seconds after the last octet of a body."""

    answer_timeout: float = 5.0
    trusted_proxies: tuple[Network, ...] = ()


class Site:
    """An ASGI application over a table of exact paths. To be run by payk.web.server, which tells when callers leave."""

    door = "management"
    """What figures call it."""

    def __init__(self, paths: Mapping[str, Methods], trusted_proxies: tuple[Network, ...] = ()) -> None:
        self._paths = dict(paths)
        self._trusted_proxies = trusted_proxies
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, self.next_request_id())
        try:
            answer = await self._answer(exchange)
        except HungUp:
            return
        except asyncio.CancelledError:
            # The server stops and has waited long enough, as a rule for the rest of a body.
            answer = self._refuse(exchange, _given_up(exchange))
        except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, it is logged and answered
            answer = self._refuse(exchange, error)
        if exchange.rate_headers and not any(name == LIMIT for name, _ in answer.headers):  # of what refused it
            answer.headers = (*answer.headers, *exchange.rate_headers)
        if isinstance(answer, Stream):
            await self._pass_on(exchange, answer, send)
        else:
            await exchange.answer(answer, exchange.request_id)

    async def _pass_on(self, exchange: Exchange, stream: Stream, send: Send) -> None:
        """Send octets as they come; the server waits for a slow reader, and ends a response that is not completed."""
        head = {"type": "http.response.start", "status": stream.status, "headers": stream.head(exchange.request_id)}
        try:
            with exchange.caller:
                async with aclosing(stream.octets) as octets:
                    await send(head)
                    if exchange.method == "HEAD":
                        await octets.aclose()  # nobody gets them
                    async for chunk in octets:
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except HungUp:
            return
        except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, it is logged
            self._log(exchange, problem_of(error), error)

    def next_request_id(self) -> str:
        """What the next request goes by in its answer and in the log."""
        return f"{self._prefix}-{next(self._numbers):x}"

    def find(self, exchange: Exchange) -> Methods | None:
        """What answers the request's path, by method; None where nothing is there."""
        return self._paths.get(exchange.path)

    async def _answer(self, exchange: Exchange) -> Answer | Stream:
        methods = self.find(exchange)
        if methods is None:
            raise Problem(Code.PATH_NOT_FOUND, f"There is nothing at {quoted(exchange.path)}.")
        handler = methods.get(exchange.method)
        if handler is None:
            allowed = ", ".join(methods)
            detail = f"{exchange.method} is not allowed here; allowed: {allowed or 'nothing'}."
            raise Problem(Code.METHOD_NOT_ALLOWED, detail, headers=[(b"allow", allowed.encode())])
        return await handler(exchange)

    def _refuse(self, exchange: Exchange, error: Exception) -> Answer:
        problem = problem_of(error)
        REFUSALS.add(self.door, str(problem.code))
        self._log(exchange, problem, error)
        if b"expect" in exchange.headers and not exchange.body_asked:
            # RFC 9110, section 10.1.1: the caller holds its body back, and the parser goes on waiting for it.
            problem.headers.append((b"connection", b"close"))
        return problem_answer(problem, exchange.request_id, is_status=exchange.is_status)

    def _log(self, exchange: Exchange, problem: Problem, error: Exception) -> None:
        """The one line about a request that was not taken."""
        fields = {
            "code": str(problem.code),
            "status": problem.status,
            "method": exchange.method,
            "path": exchange.path[:200],
            "client": exchange.client and exchange.client.name,
            "address": caller_address(exchange.scope, self._trusted_proxies),
            "request_id": exchange.request_id,
        }
        if problem.code is Code.INTERNAL_ERROR:
            log.error("request failed", exc_info=error, **fields)
        elif problem.status >= 500:
            reason = problem.detail if error is problem else str(error).partition("\n")[0]
            log.warning("request not answered", reason=reason, **fields)
        else:
            log.info("request refused", **fields)


class PublicSite(Site):
    """The documented API, its description, and health."""

    door = "api"

    def __init__(
        self,
        db: Database,
        intake: Intake,
        status_reader: StatusReader,
        timeline_reader: TimelineReader,
        directory: CurrentDirectory,
        readiness: Readiness,
        clock: Clock,
        now: Callable[[], datetime],  # the database's clock
        rates: SharedRates,
        wait: ReceiptWait,
        options: PublicOptions | None = None,
    ) -> None:
        options = options or PublicOptions()
        super().__init__({**_health(readiness), **documentation(document())}, options.trusted_proxies)
        for code in (Code.UNAUTHORIZED, Code.IP_ADDRESS_NOT_ALLOWED, Code.INTERNAL_ERROR):
            REFUSALS.add(self.door, str(code), amount=0)
        self.used_keys: set[int] = set()
        """Keys that requests came with; who notes them takes them out."""
        authenticator = Authenticator(directory, options.trusted_proxies, clock, now, self.used_keys)
        admission = Admission(authenticator, rates, clock)
        questions = Questions(intake, admission, clock, options.answer_timeout)
        commands = CommandReader(db, intake, admission, clock, options.answer_timeout, options.trusted_proxies)
        self._sms = SmsPaths(
            Sending(intake, admission, clock, options.answer_timeout),
            Listing(db, questions),
            Statuses(db, status_reader, questions, commands),
            Timelines(timeline_reader, questions),
            Control(db, status_reader, questions, commands, wait, OutcomeLog(directory, "web")),
            Previewing(Previews(db, directory, now), commands),
        )
        own = OwnReports(Reports(db), admission, options.answer_timeout)
        for path, handler in (("", own.report), ("/messages", own.messages), ("/labels", own.labels)):
            self._paths[f"/api/v1/reports{path}"] = {"GET": handler, "HEAD": handler}

    def find(self, exchange: Exchange) -> Methods | None:
        """The paths of the documented API first; all others are exact."""
        methods = self._sms.find(exchange)
        return super().find(exchange) if methods is None else methods


class ManagementSite(Site):
    """What only the operators of Payk may reach; it listens on an address of its own.

    Every process has health and its figures there; the management API is answered by those with the role admin.
    """

    def __init__(
        self, readiness: Readiness, parts: Management | None = None, metrics: MetricsPage | None = None
    ) -> None:
        self._api = None if parts is None else ManagementApi(parts)
        described = {} if self._api is None else documentation(self._api.description())
        trusted = () if parts is None else parts.trusted_proxies
        measured: dict[str, Methods] = {} if metrics is None else {"/metrics": {"GET": metrics.get}}
        super().__init__({**_health(readiness), **measured, **described}, trusted)
        for code in (Code.UNAUTHORIZED, Code.RATE_LIMIT_EXCEEDED, Code.INTERNAL_ERROR):
            REFUSALS.add(self.door, str(code), amount=0)  # so that the first ones show as more

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._api is not None and scope["path"].startswith(f"{ROOT}/"):
            await self._api(scope, receive, send, self.next_request_id())
        else:
            await super().__call__(scope, receive, send)


def _given_up(exchange: Exchange) -> Problem:
    if exchange.storing:
        detail = "The service is stopping; the request may have been taken."
        return Problem(Code.OUTCOME_UNKNOWN, detail, retryable=exchange.idempotency_key is not None, retry_after=1)
    return Problem(Code.SERVICE_UNAVAILABLE, "The service is stopping; nothing was taken.", retry_after=1)


def _health(readiness: Readiness) -> dict[str, Methods]:
    health = Health(readiness)
    return {
        "/health/live": {"GET": health.live, "HEAD": health.live},
        "/health/ready": {"GET": health.ready, "HEAD": health.ready},
    }
