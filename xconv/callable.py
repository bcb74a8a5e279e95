"""Modules that may be called, where a module and a public function of xconv bear the same name."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


def callable_module(name: str, function: Callable[..., Any]) -> None:
    """Let a call of the module be a call of `function`.

    Importing `xconv.transfer` puts the module where `xconv.transfer(...)` looks for the function: now both work.
    """
    sys.modules[name].__class__ = type("CallableModule", (ModuleType,), {"__call__": staticmethod(function)})
