"""`payk top`: one picture as text, and the running view in a terminal."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
import time

import pytest

from tests.end_to_end.payk import Centre, Payk, registry


class Terminal:
    """A program in a terminal of its own; `screen` is what it wrote since it was looked at last."""

    def __init__(self, payk: Payk, environment: dict[str, str], *arguments: str, size: tuple[int, int]) -> None:
        self.controller, terminal = pty.openpty()
        self.resize(*size)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PAYK_")}
        inherited |= {"TERM": "xterm", "PYTHONPATH": os.pathsep.join(sys.path)}
        for name in ("COLUMNS", "LINES"):
            inherited.pop(name, None)
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
            for descriptor in (0, 1, 2):
                os.dup2(terminal, descriptor)
            os.chdir(payk.folder)
            command = [sys.executable, "-m", "payk", "top", *arguments]
            os.execve(command[0], command, {**inherited, **payk.environment, **environment})
        os.close(terminal)
        os.set_blocking(self.controller, False)
        self.written = b""

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.controller, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self) -> None:
        try:
            while octets := os.read(self.controller, 65_536):
                self.written += octets
        except (BlockingIOError, OSError):
            pass

    async def shows(self, pattern: str, within: float = 30.0) -> str:
        """Wait until it has written this since the last look; all of that, without what steers the terminal."""
        deadline = time.monotonic() + within
        while True:
            self.read()
            text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", self.written).decode("utf-8", "replace")
            if re.search(pattern, text):
                self.written = b""
                return text
            assert time.monotonic() < deadline, f"{pattern!r} in {text[-3_000:]!r}"
            await asyncio.sleep(0.05)

    def type(self, letters: bytes) -> None:
        os.write(self.controller, letters)

    async def ended(self) -> int:
        """Its exit code."""
        deadline = time.monotonic() + 60
        while True:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)  # noqa: ASYNC222 - it returns at once
            if pid:
                return os.waitstatus_to_exitcode(status)
            assert time.monotonic() < deadline, self.written[-2_000:]
            await asyncio.sleep(0.05)


@pytest.fixture
async def running(payk_on_server: Payk) -> tuple[Payk, Centre, dict[str, str]]:
    """A centre with an operator, and a token that may look at the traffic."""
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port))
    centre = await payk_on_server.serve()
    token = (await payk_on_server.done("token", "create", "watcher", "--role", "operator")).strip()
    return payk_on_server, centre, {"PAYK_ADMIN_URL": str(centre.admin.base_url), "PAYK_ADMIN_TOKEN": token}


async def test_what_there_is_now_as_text(running: tuple[Payk, Centre, dict[str, str]]) -> None:
    payk, centre, environment = running
    ids = [await centre.send(f"9929000000{number:02}", SmsType=1 + number % 2) for number in range(40)]
    await centre.wait_for_all(ids, within=30)
    await asyncio.sleep(1.5)  # links are told of once a second
    for where in (environment, {}):  # over HTTP, and on the database itself
        ended = await payk.run("top", "--once", **where)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert re.search(
            r"^in +[0-9.]+ messages/s   common [0-9.]+  otp [0-9.]+  batch 0\.0$", ended.stdout, re.MULTILINE
        )
        assert re.search(r"^queue +waiting +oldest +in flight +for later$", ended.stdout, re.MULTILINE)
        assert re.search(r"^otp +0 +0 +0$", ended.stdout, re.MULTILINE)
        assert re.search(r"^tcell-1 +bound +[0-9.]+ +[0-9.]+ +0/\d+ +[0-9]+ ms +[0-9]+ ms$", ended.stdout, re.MULTILINE)
        assert re.search(r"^\S+:\d+ +1 +\d s ago  \S*dispatch\S*$", ended.stdout, re.MULTILINE), ended.stdout
        assert "\x1b" not in ended.stdout
        assert all(len(line) <= 80 for line in ended.stdout.splitlines())
    rate = float(re.search(r"^in +([0-9.]+)", (await payk.run("top", "--once", **environment)).stdout, re.MULTILINE)[1])  # type: ignore[index]
    assert rate <= 4.0
    away = await payk.run("top", "--once", **{**environment, "PAYK_ADMIN_URL": "http://127.0.0.1:9"})
    assert (away.returncode, away.stdout, away.stderr.count("\n")) == (2, "", 1)
    wrong = await payk.run("top", "--once", **{**environment, "PAYK_ADMIN_TOKEN": "payk_wrong"})
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
    assert (
        await payk.run("top")
    ).stderr == "payk: this is for a terminal: `payk top --once` prints what there is now\n"


async def test_in_a_terminal_it_follows_what_happens(running: tuple[Payk, Centre, dict[str, str]]) -> None:
    payk, centre, environment = running
    terminal = Terminal(payk, environment, "--interval", "0.5", size=(80, 24))
    try:
        await terminal.shows(r"tcell-1 +bound")
        screen = await terminal.shows(r"link +state +out/s(.|\n)*process +binds")
        assert "q ends" in screen
        sending = [await centre.send(f"9929000000{number:02}") for number in range(20)]
        await terminal.shows(r"in +[1-9][0-9.]* messages/s|in +0\.[1-9] messages/s")
        assert sending
        terminal.resize(40, 8)
        narrow = await terminal.shows(r"payk top")
        assert "process" not in narrow
        terminal.resize(100, 30)
        await terminal.shows(r"process +binds")
        port = centre.admin.base_url.port
        await centre.program.stop()
        await terminal.shows(r"no answer since \S+ \S+ UTC: +")
        again = await payk.serve(PAYK_ADMIN_PORT=str(port))
        assert again.admin.base_url.port == port
        await terminal.shows(r"tcell-1 +bound", within=60)
        terminal.type(b"q")
        assert await terminal.ended() == 0
        assert terminal.written.endswith(b"\x1b[?1049l\x1b[?25h") or b"\x1b[?1049l" in terminal.written
    finally:
        with_suppressed_kill(terminal.pid)


async def test_ctrl_c_ends_it(running: tuple[Payk, Centre, dict[str, str]]) -> None:
    payk, _, environment = running
    terminal = Terminal(payk, environment, size=(80, 24))
    try:
        await terminal.shows(r"tcell-1")
        terminal.type(b"\x03")
        assert await terminal.ended() == 0
        assert b"Traceback" not in terminal.written
    finally:
        with_suppressed_kill(terminal.pid)


def with_suppressed_kill(pid: int) -> None:
    """It may have ended by itself."""
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


async def test_the_rates_of_what_comes_in(payk_on_server: Payk) -> None:
    await payk_on_server.apply(registry(2775))
    centre = await payk_on_server.serve("--roles", "api,admin")
    token = (await payk_on_server.done("token", "create", "watcher", "--role", "operator")).strip()
    for number in range(30):
        await centre.send(f"9929000000{number:02}", SmsType=3)
    answer = await centre.admin.get("/api/admin/v1/rates", headers={"authorization": f"Bearer {token}"})
    told = answer.json()
    assert told["seconds"] == 10.0 and 0 < told["messages"] <= 3.0
    assert {row["sms_type"]: row["messages"] > 0 for row in told["items"]} == {
        "common": False,
        "otp": False,
        "batch": True,
    }
