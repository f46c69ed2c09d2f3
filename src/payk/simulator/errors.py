"""What can keep the simulated operator from running. str() is one line: what is wrong and what would be right.

::

    SimulatorError
    ├── OptionsError (also ValueError)   an option has an impossible value
    ├── ScenarioError                    the scenario file cannot be read or says something impossible
    └── StartError                       the port is taken, the record cannot be written
"""

from __future__ import annotations

__all__ = ["OptionsError", "ScenarioError", "SimulatorError", "StartError"]


class SimulatorError(Exception):
    """Root of everything this room raises."""


class OptionsError(SimulatorError, ValueError):
    """An option has an impossible value; the line names it as on the command line."""


class ScenarioError(SimulatorError):
    """The scenario file is wrong; the line names the file and the key."""


class StartError(SimulatorError):
    """The operator cannot listen, or cannot write its record."""
