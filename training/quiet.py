"""Quiet: MLflow tells of each step on stderr and warns of itself; its errors we raise ourselves."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """While inside, MLflow says nothing that nobody asked for."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        # MLflow's own tables still use a strategy that SQLAlchemy 2.1 warns about.
        warnings.filterwarnings("ignore", "The ``noload`` loader strategy is deprecated")
        warnings.filterwarnings("ignore", ".*Any type hint is inferred as AnyType")  # of its own type hints
        # An example of the input would be a shopper's id; the signature is given instead.
        warnings.filterwarnings("ignore", ".*An input example was not provided")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
