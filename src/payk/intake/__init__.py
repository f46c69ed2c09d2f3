"""The path of a new message, whatever door it comes through: named steps, then one verb of the store.

A door makes a `Request` of what it was handed and answers only after `accept` or `accept_bulk` has returned: then the
message is durably stored. A refused message leaves no trace and uses up no id. What this does not do: read a wire
format, know who is calling (the door brings the client), limit the caller.
"""

from payk.intake.intake import Intake
from payk.intake.queue_depth import QueueDepth
from payk.intake.request import BulkResult, ItemRefusal, Once, Refused, Request, Unconfirmed

__all__ = ["BulkResult", "Intake", "ItemRefusal", "Once", "QueueDepth", "Refused", "Request", "Unconfirmed"]
