"""How both clients reach the centre: address, key, time-outs and proxies in the words of httpx."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import httpx

from payk import __version__

__all__ = ["transport_options"]


def transport_options(url: str, api_key: str, timeout: float) -> dict[str, Any]:
    """Keyword arguments for httpx.Client and httpx.AsyncClient. ValueError for an address or key that cannot be one."""
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL as exc:
        raise ValueError(f"{url!r} is no address of an SMS centre: {exc}") from exc
    if address.scheme not in ("http", "https") or not address.host:
        raise ValueError(f"{url!r} is no address of an SMS centre; write it as https://sms.example.com")
    if not api_key.isascii() or not api_key.isprintable() or " " in api_key or not api_key:
        raise ValueError("an API key consists of visible ASCII characters")
    return {
        "base_url": address,
        "headers": {
            "X-Api-Key": api_key,
            "User-Agent": f"payk-python/{__version__}",
            "Content-Type": "application/json",
        },
        "timeout": httpx.Timeout(timeout),
        "trust_env": not _is_loopback(address.host),  # no proxy leads to this machine itself
        "follow_redirects": False,
    }


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
