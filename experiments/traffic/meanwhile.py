"""Meanwhile: something that goes on beside a measurement, and what went wrong with it afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event


@contextmanager
def meanwhile(work: Callable[[Event], None]) -> Iterator[None]:
    """`work` in a thread while the block lasts; the event that it is given is set when it has to end.

    What `work` raised is raised at the end of the block.
    """
    over = Event()
    with ThreadPoolExecutor(1) as pool:
        doing = pool.submit(work, over)
        try:
            yield
        finally:
            over.set()
        doing.result()
