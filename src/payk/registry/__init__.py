"""The one path of a change to clients, keys, senders, operators, links and routes, and the picture processes work with.

A change is a registry file (`file`), checked whole, compared with what is stored (`comparison`) and applied in one
transaction (`change`), which answers a readable `difference`. Running processes follow it (`follow`).
"""

from __future__ import annotations

from payk.registry.change import apply
from payk.registry.demo import ensure_demo
from payk.registry.difference import Change, Difference
from payk.registry.errors import DirectoryError, Problem, RegistryError, RegistryFileError, SecretError
from payk.registry.file import RegistryFile
from payk.registry.file import load as load_file
from payk.registry.file import read as read_document
from payk.registry.follow import Follower
from payk.registry.follow import load as load_directory
from payk.registry.secrets import SecretBox

__all__ = [
    "Change",
    "Difference",
    "DirectoryError",
    "Follower",
    "Problem",
    "RegistryError",
    "RegistryFile",
    "RegistryFileError",
    "SecretBox",
    "SecretError",
    "apply",
    "ensure_demo",
    "load_directory",
    "load_file",
    "read_document",
]
