"""Operators: the client side of SMPP. A link is one account at an operator, a bind one session of it.

`Link` keeps its binds up and submits messages; what an operator says by itself comes out as `Delivery`.
Nothing here knows the database.
"""

from payk.links.delivery import Delivery
from payk.links.link import Link
from payk.links.status import BindStatus, PaceStatus
from payk.links.timing import Timing

__all__ = ["BindStatus", "Delivery", "Link", "PaceStatus", "Timing"]
