"""Payk, an SMS centre: HTTP in, SMPP out, every message durable and its fate known.

The rooms and the direction of their imports are drawn in the import contracts of pyproject.toml. This module stays
empty of imports, so that the SDK (`payk.client`) loads nothing of the server.
"""

__version__ = "0.1.0"
