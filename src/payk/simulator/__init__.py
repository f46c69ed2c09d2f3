"""A mobile operator to try against: a real SMPP server that does what its numbers, options and scenario say.

Whoever tests a centre gets from it what operators do: receipts of every kind, refusals, silence, dropped connections,
and a record of what was received. It shares the SMPP codec with the rest of Payk and knows nothing else of it.
"""

from payk.simulator.errors import OptionsError, ScenarioError, SimulatorError, StartError
from payk.simulator.options import (
    IdForm,
    ReceiptFields,
    ReceiptForm,
    ReceiptRoute,
    SimulatorOptions,
    ThrottleCode,
)
from payk.simulator.scripted import ScriptedNumber, listing, scripted_numbers
from payk.simulator.server import Simulator, run

__all__ = [
    "IdForm",
    "OptionsError",
    "ReceiptFields",
    "ReceiptForm",
    "ReceiptRoute",
    "ScenarioError",
    "ScriptedNumber",
    "Simulator",
    "SimulatorError",
    "SimulatorOptions",
    "StartError",
    "ThrottleCode",
    "listing",
    "run",
    "scripted_numbers",
]
