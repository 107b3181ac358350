"""A kind of database for tests: its statements end their process, or can't be ended without it."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from plugins.text2sql.databases.database import Interruptible, Rows
from tests.plugins.text2sql.databases.ledger import Ledger
from tests.plugins.text2sql.databases.running_statements import GUARD

STUCK = "SELECT stuck()"
CRASH = "SELECT crash()"
SPIN = "SELECT spin()"
HUGE = "SELECT huge()"
LEFT = "SELECT left()"
LONG = "SELECT long()"
ODD = "SELECT odd()"
FAULTY = "SELECT faulty()"
PID = "SELECT pid()"
_TOO_MUCH_BYTES = 1 << 40


class Stubborn(Ledger):
    """Opened at a file, to which it writes the number of the process that has begun what is stuck."""

    def run(self, statement: str, interruptible: Interruptible) -> Rows:
        """Do what the statement says, whatever interrupts it."""
        with interruptible(int):
            if statement == STUCK:
                Path(self.given[0]).write_text(str(os.getpid()))
                threading.Event().wait(GUARD)
            elif statement == CRASH:
                os.kill(os.getpid(), signal.SIGSEGV)
            elif statement == SPIN:
                while True:
                    pass
            elif statement == HUGE:
                bytearray(_TOO_MUCH_BYTES)
            elif statement == LEFT:
                os._exit(3)
            elif statement == LONG:
                return Rows(("text",), (("x" * (8 << 20),),), False)
            elif statement == ODD:
                return Rows(("text",), (("\ud800",),), False)
            elif statement == FAULTY:
                raise KeyError("a fault of the driver")
            elif statement == PID:
                return Rows(("pid",), ((os.getpid(),),), False)
        return super().run(statement, interruptible)
