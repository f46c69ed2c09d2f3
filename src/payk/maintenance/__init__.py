"""Periodic duties, one per file, each `run_once() -> counts`; each duty is done by one process at a time."""

from payk.maintenance.duties import all_duties
from payk.maintenance.duty import Duty, keep

__all__ = ["Duty", "all_duties", "keep"]
