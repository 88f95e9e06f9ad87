"""Progress bars: one place that decides what they look like and when they are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Tick", "counting", "quiet_transformers"]


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keeps the bars and notices of transformers, on every file read and written, out of our own story."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


Tick = Callable[[int, int], None]
"""Called some twenty times a second with the bytes, and the sentences or terms, done so far."""


@contextmanager
def counting(
    label: str, total_bytes: int | None, *, show: bool, what: str = "sentences"
) -> Iterator[Tick | None]:
    """A bar for work over text; yields what to call with bytes and sentences done, or None for no bar.

    With `total_bytes` the bar runs over bytes and tells the time left; without, it counts sentences, or `what`.
    """
    if not show:
        yield None
        return
    # Its memory and time of import are spared where nobody looks at a bar.
    from tqdm.auto import tqdm

    over_bytes = total_bytes is not None
    unit = (
        {"unit": "B", "unit_scale": True, "unit_divisor": 1000}
        if over_bytes
        else {"unit": f" {what}", "unit_scale": True}
    )
    with tqdm(desc=label, total=total_bytes, dynamic_ncols=True, **unit) as bar:

        def tick(done_bytes: int, documents: int) -> None:
            if over_bytes:
                bar.set_postfix_str(f"{documents:,} {what}", refresh=False)
            bar.update((done_bytes if over_bytes else documents) - bar.n)

        yield tick
