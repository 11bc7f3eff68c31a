"""All models in one place, for creating the schema and for migrations."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from app.store import models
from app.store.base import Base

if TYPE_CHECKING:
    from sqlalchemy import MetaData


def metadata() -> MetaData:
    """The metadata of every model module, loaded."""
    for module in pkgutil.iter_modules(models.__path__):
        importlib.import_module(f"{models.__name__}.{module.name}")
    return Base.metadata
