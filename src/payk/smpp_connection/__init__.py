"""Pumps octets between one TCP or TLS connection and one `smpp.Session`, on asyncio. No rule of SMPP lives here.

connection.py  the pump
wire.py        the connection of a client: nothing is written on it unasked
tls.py         TLS without I/O, for the wire
door.py        the connections of a server, and who is let in
"""

from payk.smpp_connection.connection import WRITE_TIMEOUT, SmppConnection, Tap, connect
from payk.smpp_connection.door import serve

__all__ = ["WRITE_TIMEOUT", "SmppConnection", "Tap", "connect", "serve"]
