"""A real Prometheus for tests: it scrapes what it is told of once a second, and evaluates our rules as often."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import time
from pathlib import Path

import httpx

from tests.observe.expressions import ALERTS
from tests.ports import free_port
from tests.requires import require_program

__all__ = ["QUICK", "Prometheus", "quick"]

QUICK = 30
"""Seconds of a rule that become one: its ranges and offsets keep their proportions."""
_UNITS = {"s": 1, "m": 60, "h": 3600}


def quick(expression: str) -> str:
    """An expression whose times are short."""

    def shorter(found: re.Match[str]) -> str:
        return f"{found[1]}{int(found[2]) * _UNITS[found[3] or 's'] // QUICK}{found[3] and 's'}"

    return re.sub(r"(\[|offset |time\(\) - )(\d+)([smh]|)", shorter, expression)


class Prometheus:
    """Its folder holds the rules, quick ones, the token and what is to be scraped."""

    def __init__(self, folder: Path, token: Path) -> None:
        self._folder = folder
        self._since = time.monotonic()
        rules = re.sub(r"\bfor: \S+", "for: 0s", quick(ALERTS.read_text("utf-8")))
        (folder / "alerts.yml").write_text(rules, "utf-8")
        (folder / "targets.json").write_text("[]")
        (folder / "prometheus.yml").write_text(
            f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [alerts.yml]
scrape_configs:
  - job_name: payk
    authorization: {{credentials_file: {token}}}
    file_sd_configs: [{{files: [targets.json], refresh_interval: 1s}}]
"""
        )
        port = free_port()
        self._log = (folder / "prometheus.log").open("wb")
        self.process = subprocess.Popen(
            [
                require_program("prometheus", "prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1")

    def scrape(self, *addresses: str) -> None:
        """From now on these, host and port."""
        written = self._folder / "targets.new"
        written.write_text(json.dumps([{"targets": addresses}]))
        written.rename(self._folder / "targets.json")

    async def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series, now."""
        answer = await self._http.get("/query", params={"query": expression})
        assert answer.status_code == 200, answer.text
        return [(found["metric"], float(found["value"][1])) for found in answer.json()["data"]["result"]]

    async def until(self, expression: str, within: float = 60.0) -> list[tuple[dict[str, str], float]]:
        """Until an expression has any series."""
        deadline = time.monotonic() + within
        while True:
            try:
                found = await self.query(expression)
            except httpx.TransportError:
                found = []  # it is still starting
            if found:
                return found
            assert self.process.poll() is None, (self._folder / "prometheus.log").read_text()
            assert time.monotonic() < deadline, f"nothing within {within:g} s: {expression}"
            await asyncio.sleep(0.3)

    def forget(self) -> None:
        """What fired until now counts no more."""
        self._since = time.monotonic()

    async def fired(self) -> set[str]:
        """Every alert that has fired since `forget`."""
        seconds = max(1, int(time.monotonic() - self._since))
        found = await self.query(f'max by (alertname) (max_over_time(ALERTS{{alertstate="firing"}}[{seconds}s]))')
        return {labels["alertname"] for labels, _ in found}

    async def until_fired(self, wanted: set[str], within: float) -> None:
        """Until these have fired."""
        deadline = time.monotonic() + within
        while missing := wanted - await self.fired():
            assert time.monotonic() < deadline, f"not fired within {within:g} s: {sorted(missing)}"
            await asyncio.sleep(0.5)

    async def close(self) -> None:
        await self._http.aclose()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()
