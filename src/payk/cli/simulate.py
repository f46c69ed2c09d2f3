"""`payk simulate`: an operator to try against."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from payk.cli.command_line import load_settings, server_parts

__all__ = ["commands"]

commands = typer.Typer()


def _print_scripted_numbers(wanted: bool) -> None:
    if wanted:
        with server_parts("simulate"):
            from payk.simulator import listing

            print(listing())
        raise typer.Exit


def _simulator(name: str, metavar: str, help_line: str) -> Any:
    """An option of `payk simulate`; its variable is PAYK_SIMULATOR_NAME."""
    variable = f"PAYK_SIMULATOR_{name.upper().replace('-', '_')}"
    return typer.Option(f"--{name}", metavar=metavar, envvar=variable, help=help_line)


@commands.command()
def simulate(
    host: Annotated[str, _simulator("host", "ADDRESS", "Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, _simulator("port", "N", "Port to listen on, 0 = a free one.")] = 2775,
    system_id: Annotated[str, _simulator("system-id", "NAME", "Name of its one account.")] = "payk",
    password: Annotated[str, _simulator("password", "TEXT", "Password of its one account.")] = "payk",
    max_binds: Annotated[int, _simulator("max-binds", "N", "Binds at once; more get RALYBND; 0 = any number.")] = 0,
    interface_version: Annotated[
        Literal["0x33", "0x34", "0x50"],
        _simulator("interface-version", "V", "Version of its SMPP: 0x34, 0x50, or 0x33, which has no TLVs."),
    ] = "0x34",
    latency: Annotated[float, _simulator("latency", "MS", "Milliseconds from a submit_sm to its answer.")] = 0.0,
    rate: Annotated[int, _simulator("rate", "N", "submit_sm a second; more are throttled; 0 = any number.")] = 0,
    window: Annotated[int, _simulator("window", "N", "Unanswered submit_sm per bind; more are throttled.")] = 0,
    refuse: Annotated[float, _simulator("refuse", "P", "Share (0 to 1) refused for good, with RSUBMITFAIL.")] = 0.0,
    throttle: Annotated[float, _simulator("throttle", "P", "Share throttled: refused for now.")] = 0.0,
    throttle_code: Annotated[
        Literal["RTHROTTLED", "RMSGQFUL"],
        _simulator("throttle-code", "STATUS", "What throttled ones get: RTHROTTLED or RMSGQFUL."),
    ] = "RTHROTTLED",
    lose: Annotated[float, _simulator("lose", "P", "Share neither answered nor delivered.")] = 0.0,
    early: Annotated[float, _simulator("early", "P", "Share whose receipt comes before the answer.")] = 0.0,
    no_id: Annotated[float, _simulator("no-id", "P", "Share taken with an empty message_id.")] = 0.0,
    duplicate: Annotated[float, _simulator("duplicate", "P", "Share whose receipts come twice.")] = 0.0,
    congestion: Annotated[
        str | None,
        _simulator(
            "congestion", "STATE", "congestion_state in answers: 0 to 100, or auto, the percentage of --rate in use."
        ),
    ] = None,
    ids: Annotated[
        Literal["dec", "hex", "uuid", "hex-dec", "dec-hex", "dec-padded", "hex-padded"],
        _simulator(
            "ids",
            "FORM",
            "Message ids: dec, hex, uuid, or one form in answers and another in receipts: hex-dec, dec-hex, dec-padded"
            " and hex-padded (with leading zeros).",
        ),
    ] = "dec",
    receipts: Annotated[
        Literal["text", "tlv", "both", "data_sm"],
        _simulator("receipts", "FORM", "Where receipts say it: text, tlv, both, or both in a data_sm."),
    ] = "both",
    receipt_fields: Annotated[
        Literal["standard", "shuffled"],
        _simulator("receipt-fields", "ORDER", "Labels in the text of receipts: standard, or shuffled and incomplete."),
    ] = "standard",
    receipts_on: Annotated[
        Literal["any", "other"],
        _simulator("receipts-on", "BIND", "Bind that receipts go over: any, or other than that of the message."),
    ] = "any",
    service_type: Annotated[
        str, _simulator("service-type", "TEXT", "service_type of receipts, up to 20 characters; SMPP allows 5.")
    ] = "",
    timezone: Annotated[str, _simulator("timezone", "ZONE", "Zone of the dates in receipts.")] = "UTC",
    scenario: Annotated[Path | None, _simulator("scenario", "FILE", "TOML file with rules of your own.")] = None,
    record: Annotated[
        Path | None, _simulator("record", "FILE", "Append every message and receipt, one JSON line each.")
    ] = None,
    list_: Annotated[
        bool,
        typer.Option(
            "--list", help="Print the scripted numbers and exit.", callback=_print_scripted_numbers, is_eager=True
        ),
    ] = False,
) -> None:
    """Run an operator to try against: an SMPP server."""
    with server_parts("simulate"):
        from payk.simulator import IdForm, ReceiptFields, ReceiptForm, ReceiptRoute, SimulatorOptions, ThrottleCode, run

        options = SimulatorOptions(
            host=host,
            port=port,
            system_id=system_id,
            password=password,
            max_binds=max_binds,
            interface_version=int(interface_version, 16),
            latency=latency,
            rate=rate,
            window=window,
            refuse=refuse,
            throttle=throttle,
            throttle_code=ThrottleCode(throttle_code),
            lose=lose,
            early=early,
            no_id=no_id,
            duplicate=duplicate,
            congestion=congestion,
            ids=IdForm(ids),
            receipts=ReceiptForm(receipts),
            receipt_fields=ReceiptFields(receipt_fields),
            receipts_on=ReceiptRoute(receipts_on),
            service_type=service_type,
            timezone=timezone,
            scenario=scenario,
            record=record,
        )
        load_settings({})  # for the log
        import asyncio

        asyncio.run(run(options))
