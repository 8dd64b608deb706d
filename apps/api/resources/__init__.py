"""The v1 types, one module per noun: importing this package imports every module in it, so that each type registers."""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
