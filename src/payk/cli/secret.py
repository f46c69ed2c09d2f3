"""`payk secret`: the keys under which passwords and the texts of Otp are encrypted."""

from __future__ import annotations

import typer

from payk.cli.command_line import Home, load_settings, server_parts
from payk.cli.managing import on_the_database

__all__ = ["commands"]

commands = typer.Typer(no_args_is_help=True)


@commands.command()
def rotate(home: Home = None) -> None:
    """Have PAYK_SECRET_KEY encrypt, and encrypt anew what was under other keys. Every process must have both first."""
    on_the_database("secret rotate", "for secret keys are sent to nobody")
    with server_parts("secret rotate"):
        settings = load_settings({"home": home})
        from payk import app

        app.run(app.rotate(settings))
