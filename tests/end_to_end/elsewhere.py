"""`payk` as on another machine: its neighbours do not look whether its process is alive, they wait for its lease."""

from __future__ import annotations

import sys

from payk import cli
from payk.store import incarnation

if __name__ == "__main__":
    incarnation.host_identity = lambda: "elsewhere"
    sys.exit(cli.main())
