"""The composition root: what each command of the server does, from settings to the end.

opening.py   what every command stands on: database, secret key, errors in one line
centre.py    `payk serve`: the engines, their start and their stop
trying.py    `payk up`
check.py     `payk check`
processes.py `payk processes`
changing.py  `payk migrate`, `payk apply`
backup.py    `payk backup`, `payk restore`
access.py    `payk user`, `payk token`, `payk audit`
recovery.py  `payk recover`
forgetting.py  `payk forget`
limits.py    `payk balance`, `payk block`, `payk usage`
health.py    `payk operator health`, `payk operator shifts`
traffic.py   `payk queue`, `payk operator`, `payk link`, `payk receipt`
secrets.py   secret keys and the database; `payk secret rotate`
messages.py  `payk message search`, `payk message show`
importing.py `payk message import`
"""

from payk.app import health, traffic
from payk.app.backup import backup, restore
from payk.app.centre import serve
from payk.app.changing import apply, migrate
from payk.app.check import check
from payk.app.forgetting import forget
from payk.app.importing import drop_imported_messages, import_messages
from payk.app.limits import (
    add_to_balance,
    block,
    import_blocked,
    show_balance,
    show_blocked,
    show_usage,
    unblock,
)
from payk.app.managing import managing
from payk.app.messages import instant
from payk.app.messages import search as search_messages
from payk.app.messages import show as show_message
from payk.app.opening import StartError, run
from payk.app.processes import processes
from payk.app.recovery import choice, recover
from payk.app.secrets import rotate
from payk.app.trying import up

__all__ = [
    "StartError",
    "add_to_balance",
    "apply",
    "backup",
    "block",
    "check",
    "choice",
    "drop_imported_messages",
    "forget",
    "health",
    "import_blocked",
    "import_messages",
    "instant",
    "managing",
    "migrate",
    "processes",
    "recover",
    "restore",
    "rotate",
    "run",
    "search_messages",
    "serve",
    "show_balance",
    "show_blocked",
    "show_message",
    "show_usage",
    "traffic",
    "unblock",
    "up",
]
