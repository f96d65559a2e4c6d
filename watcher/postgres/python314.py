"""Makes trio-asyncio 0.16 work on Python 3.14; does nothing on 3.13 and before. Remove it when trio-asyncio does so.

Its classes derive from names that 3.14 has dropped from asyncio. It announces the running loop by replacing functions
of asyncio in Python, while 3.14's tasks, in C, read it from the state of the thread: "loop ... is not the running loop"
(CPython, Modules/_asynciomodule.c, enter_task).
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
# The methods that run a loop's callbacks: those that are due, and those of a ready socket.
_RUN_CALLBACKS = ("_main_loop_one", "_io_task")


@contextmanager
def names_for_the_import() -> Iterator[None]:
    """Restore, for a block, the names of asyncio that the import of trio_asyncio needs; suppress its warnings.

    trio_asyncio only derives classes from the names; nothing needs them later.
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
        # Event loop policies are deprecated.
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            yield
    finally:
        for module, name, _ in substitutes:
            delattr(module, name)


def show_the_running_loop(loop_class: type) -> None:
    """Set a trio-asyncio loop as the running loop of the thread while it runs callbacks, and only then.

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
    """Run a trio-flavoured coroutine; between its steps the thread's running loop is restored."""
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
        except BaseException as error:  # noqa: BLE001  # trio's exceptions, such as Cancelled, belong to the coroutine
            step = functools.partial(coroutine.throw, error)
