"""Commands of the centre itself: run it, its schema, its backups, its configuration, its state."""

from __future__ import annotations

import os
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from payk.cli.command_line import Home, fail, finite, load_settings, server_parts
from payk.cli.managing import (
    ROOT,
    AdminUrl,
    Force,
    ask,
    check_lines,
    exchanged,
    lines_of,
    on_the_database,
    print_warnings,
    told_by_name,
)
from payk.printable import printable

if TYPE_CHECKING:
    import httpx

__all__ = ["commands"]

commands = typer.Typer()

LOOKING: Final = 900.0
"""Seconds that looking through all tables for a number may take."""

Host = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address to listen on. [PAYK_HOST: 127.0.0.1]")]
Port = Annotated[str | None, typer.Option(metavar="N", help="Port of the API, 0 = a free one. [PAYK_PORT: 8080]")]
AdminPort = Annotated[
    str | None, typer.Option(metavar="N", help="Port of the management listener. [PAYK_ADMIN_PORT: main port + 1000]")
]
Roles = Annotated[
    str | None, typer.Option(metavar="ROLES", help="api,dispatch,maintenance or some of them. [PAYK_ROLES: all]")
]


@commands.command()
def up(home: Home = None, host: Host = None, port: Port = None, admin_port: AdminPort = None) -> None:
    """Try it: embedded database, an operator to try against, a demo client, the API."""
    given = {"home": home, "host": host, "port": port, "admin_port": admin_port}
    with server_parts("up", "server,embedded"):
        settings = load_settings(given, defaults_for_trying=True)
        from payk import app

        app.run(app.up(settings))


@commands.command()
def serve(
    roles: Roles = None, home: Home = None, host: Host = None, port: Port = None, admin_port: AdminPort = None
) -> None:
    """Run the centre, or some of its roles, against a migrated database."""
    given = {"roles": roles, "home": home, "host": host, "port": port, "admin_port": admin_port}
    with server_parts("serve"):
        settings = load_settings(given)
        from payk import app

        app.run(app.serve(settings, settings.roles))


@commands.command()
def migrate(
    home: Home = None,
    first_message_id: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=2**31 - 1,
            metavar="N",
            envvar="PAYK_FIRST_MESSAGE_ID",
            help="The first MessageId of a new database. [default: 100000000]",
        ),
    ] = None,
) -> None:
    """Bring the database's schema up to this version."""
    on_the_database("migrate", "for no server of this version runs before its schema is there")
    with server_parts("migrate"):
        settings = load_settings({"home": home})
        from payk import app

        app.run(app.migrate(settings, first_message_id))


@commands.command()
def backup(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Where backups lie; made if it is not there.")
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, envvar="PAYK_BACKUP_KEEP", help="Leave the newest N backups only. [default: all]"
        ),
    ] = None,
    stop: Annotated[
        bool, typer.Option("--stop", envvar="PAYK_BACKUP_STOP", help="Stream the log to no backup any more.")
    ] = False,
    home: Home = None,
) -> None:
    """Back the embedded database up while it serves; from then on its log is streamed to the backup."""
    on_the_database("backup", "for it copies the files of one that is embedded")
    with server_parts("backup", "server,embedded"):
        settings = load_settings({"home": home})
        from payk import app

        app.run(app.backup(settings, folder, keep=keep, stop=stop))


@commands.command()
def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of `payk backup`.")],
    to: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            envvar="PAYK_RESTORE_TO",
            help="As of when, such as 2026-11-26T10:30:00+05:00; without a zone UTC. [default: all there is]",
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            envvar="PAYK_RESTORE_BASE",
            help="The base backup to begin with. [default: the newest that fits]",
        ),
    ] = None,
    home: Home = None,
) -> None:
    """Make the embedded database what a backup holds; then nothing is sent until `payk recover`."""
    on_the_database("restore", "for it writes the files of one that is embedded")
    with server_parts("restore", "server,embedded"):
        settings = load_settings({"home": home})
        from payk import app

        app.run(app.restore(settings, folder, to=to, base=base))


@commands.command()
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="TOML file of clients, operators and routes.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", envvar="PAYK_DRY_RUN", help="Print the difference and change nothing.")
    ] = False,
    force: Force = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Make clients, keys, senders, operators, links and routes what a file says."""
    if url:
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            fail(f"{file} cannot be read: {error}")
        params = {"dry_run": dry_run, "force": force}
        done = ask("apply", url, home, "POST", "/apply", params=params, content=text.encode(), kind="application/toml")
        for line in lines_of(done["difference"]):
            print(line)
        print_warnings(done)
        return
    with server_parts("apply"):
        settings = load_settings({"home": home})
        from payk import app

        app.run(app.apply(settings, file, dry_run, force=force))


@commands.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="TOML file of `payk apply` to check as well.")
    ] = None,
    home: Home = None,
) -> None:
    """Check settings, database, schema, clock and links; exit code 0 or 2."""
    fit = []

    async def checked(work: Coroutine[Any, Any, bool]) -> None:
        fit.append(await work)

    with server_parts("check"):
        settings = load_settings({"home": home})
        from payk import app

        app.run(checked(app.check(settings, file)))
    if not all(fit):
        raise typer.Exit(2)


@commands.command()
def forget(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="With its country code, such as 992900900900.")],
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="PAYK_FORGET_EXPORT",
            help="Write all that is known of it, texts included, to this new file, and erase nothing.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", envvar="PAYK_FORGET_FORCE", help="End messages to it that are on their way.")
    ] = False,
    url: AdminUrl = None,
    home: Home = None,
) -> None:
    """Erase everything of one number, or export it. Ids, states and times of its messages stay."""
    if export is not None:
        _export(number, export, url, home)
        return
    done = ask(
        *("forget", url, home, "POST", "/numbers/forget", {"number": number}),
        params={"force": force}, patience=LOOKING,
    )  # fmt: skip
    if done["ended"]:
        print(f"ended: {done['ended']} messages")
    erased = ", ".join(f"{count} {what}" for what, count in done["erased"].items())
    print(printable(f"forgotten: {done['number']}, in {erased}"))


def _export(number: str, file: Path, url: str | None, home: str | None) -> None:
    """Everything of a number to a new file; no file where it could not be had, or not all of it."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    lines = 0

    async def exchange(client: httpx.AsyncClient) -> httpx.Response | None:
        nonlocal lines
        async with client.stream("POST", f"{ROOT}/numbers/export", json={"number": number}) as response:
            if response.status_code != 200:
                await response.aread()
                return response
            check_lines(response)
            async for piece in response.aiter_bytes():
                opened.write(piece)
                lines += piece.count(b"\n")
        return None

    try:
        with told_by_name(file), os.fdopen(descriptor, "wb") as opened:
            exchanged("forget", url, home, exchange, patience=LOOKING)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    print(f"{lines} lines on it were written to {file}; nothing was erased")


@commands.command()
def recover(
    release: Annotated[
        bool, typer.Option("--release", envvar="PAYK_RECOVER_RELEASE", help="Send what is chosen: back to the queue.")
    ] = False,
    give_up: Annotated[
        bool, typer.Option("--give-up", envvar="PAYK_RECOVER_GIVE_UP", help="End what is chosen as Unknown.")
    ] = False,
    type_: Annotated[
        Literal["common", "otp", "batch"] | None,
        typer.Option("--type", envvar="PAYK_RECOVER_TYPE", help="Only messages of this type."),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="LABEL", envvar="PAYK_RECOVER_LABEL", help="Only messages with this label.")
    ] = None,
    younger_than: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            envvar="PAYK_RECOVER_YOUNGER_THAN",
            callback=finite,
            max=1e9,
            help="Only those accepted since then.",
        ),
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            envvar="PAYK_RECOVER_OLDER_THAN",
            callback=finite,
            max=1e9,
            help="Only those accepted before then.",
        ),
    ] = None,
    ids_ahead: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            max=1_000_000_000,
            envvar="PAYK_RECOVER_IDS_AHEAD",
            help="Ids to pass over, for those that were given away and are lost. [default: by the rate before]",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", envvar="PAYK_DRY_RUN", help="Show what is at risk and change nothing.")
    ] = False,
    home: Home = None,
) -> None:
    """Go on after a restore, or a failover that lost commits: what may have been sent is set aside until released."""
    on_the_database("recover", "for a server answers nothing before that is decided")
    with server_parts("recover"):
        settings = load_settings({"home": home})
        from payk import app

        choice = app.choice(type_, label, younger_than, older_than)
        app.run(app.recover(settings, choice, releases=release, gives_up=give_up, ahead=ids_ahead, dry_run=dry_run))
