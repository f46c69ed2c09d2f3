"""The engine that sends: claim -> submit -> record, and receipts: match -> settle.

`Dispatcher` keeps the links of this process and one pump per link. It meets the doors in the database only.
"""

from payk.dispatch.dispatcher import Dispatcher, DispatchOptions

__all__ = ["DispatchOptions", "Dispatcher"]
