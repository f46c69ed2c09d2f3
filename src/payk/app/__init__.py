"""The composition root: what each command of the server does, from settings to the end.

opening.py   what every command stands on: database, secret key, errors in one line
centre.py    `payk serve`: the engines, their start and their stop
trying.py    `payk up`
check.py     `payk check`
changing.py  `payk migrate`, `payk apply`
backup.py    `payk backup`, `payk restore`
access.py    the service token that `payk up` keeps
recovery.py  `payk recover`
managing.py  the management API inside a command: every command that a server could be asked to do as well
secrets.py   secret keys and the database; `payk secret rotate`
"""

from payk.app.backup import backup, restore
from payk.app.centre import serve
from payk.app.changing import apply, migrate
from payk.app.check import check
from payk.app.managing import managing
from payk.app.opening import StartError, run
from payk.app.recovery import choice, recover
from payk.app.secrets import rotate
from payk.app.trying import up

__all__ = [
    "StartError",
    "apply",
    "backup",
    "check",
    "choice",
    "managing",
    "migrate",
    "recover",
    "restore",
    "rotate",
    "run",
    "serve",
    "up",
]
