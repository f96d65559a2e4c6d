"""What trio-asyncio 0.16 lacks on Python 3.14; nothing on 3.13 and before. It goes when trio-asyncio supports 3.14.

Its classes derive from names that 3.14 has dropped from asyncio. And it says which loop runs by replacing functions of
asyncio in Python, while 3.14's tasks, in C, ask the state of the thread: "loop ... is not the running loop" (CPython,
Modules/_asynciomodule.c, enter_task).
"""

from __future__ import annotations

import asyncio
import functools
import sys
import types
import warnings
from _asyncio import _get_running_loop, _set_running_loop
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterator

NEEDED = sys.version_info >= (3, 14)
# What runs the callbacks of a loop: those that are due, and those of a socket that is ready.
_RUN_CALLBACKS = ("_main_loop_one", "_io_task")


@contextmanager
def names_for_the_import() -> Iterator[None]:
    """Put back, for the length of the block, what the import of trio_asyncio asks asyncio for; hold back its warnings.

    The names are needed to derive classes from, and by nobody later.
    """
    if not NEEDED:
        yield
        return
    events: Any = asyncio.events
    substitutes: list[tuple[Any, str, type]] = [
        (events, "BaseDefaultEventLoopPolicy", events._BaseDefaultEventLoopPolicy),
        (asyncio, "AbstractChildWatcher", object),
    ]
    for module, name, substitute in substitutes:
        setattr(module, name, substitute)
    try:
        # The policies of loops are deprecated altogether.
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            yield
    finally:
        for module, name, _ in substitutes:
            delattr(module, name)


def show_the_running_loop(loop_class: type) -> None:
    """Have a loop of trio-asyncio, and no other, stand in the state of the thread while it runs callbacks.

    Args:
        loop_class: trio_asyncio.BaseTrioEventLoop, which is changed in place.
    """
    if NEEDED:
        for name in _RUN_CALLBACKS:
            setattr(loop_class, name, _shown(getattr(loop_class, name)))


def _shown(method: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
    @functools.wraps(method)
    async def run(loop: asyncio.AbstractEventLoop, *args: Any, **options: Any) -> Any:
        return await _steps(loop, method(loop, *args, **options))

    return run


@types.coroutine
def _steps(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Run a trio-flavoured coroutine; between its steps, while others run, the thread is as it was."""
    step: Callable[[], Any] = functools.partial(coroutine.send, None)
    while True:
        former = _get_running_loop()
        _set_running_loop(loop)
        try:
            request = step()
        except StopIteration as end:
            return end.value
        finally:
            _set_running_loop(former)
        try:
            step = functools.partial(coroutine.send, (yield request))
        except BaseException as error:  # noqa: BLE001  # what trio raises here, as a cancellation, is for the coroutine
            step = functools.partial(coroutine.throw, error)
