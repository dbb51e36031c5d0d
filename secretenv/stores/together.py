"""Several calls at once, and nobody waits for them longer than he said.

A call that is not back in time is left behind: its thread is a daemon, so it holds up no end of the process.
"""

from collections.abc import Callable, Sequence
from contextvars import copy_context
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

from secretenv.stores.deadline import Deadline

T = TypeVar("T")
# botocore keeps as many connections for each client.
MOST_AT_ONCE = 10


class _Failed:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def together(calls: Sequence[Callable[[], T]], deadline: Deadline) -> list[T]:
    """What came back in time, in the order of coming. What a call raises is raised here."""
    todo: SimpleQueue[Callable[[], T]] = SimpleQueue()
    done: SimpleQueue[T | _Failed] = SimpleQueue()
    for call in calls:
        todo.put(call)
    for _ in range(min(len(calls), MOST_AT_ONCE)):
        Thread(target=copy_context().run, args=(_work, todo, done, deadline), daemon=True).start()
    results: list[T] = []
    for _ in calls:
        try:
            result = done.get(timeout=deadline.left())
        except Empty:
            break
        if isinstance(result, _Failed):
            raise result.error
        results.append(result)
    return results


def _work(todo: "SimpleQueue[Callable[[], T]]", done: "SimpleQueue[T | _Failed]", deadline: Deadline) -> None:
    while deadline.left() > 0:
        try:
            call = todo.get_nowait()
        except Empty:
            return
        try:
            done.put(call())
        except BaseException as exc:  # noqa: BLE001 - it is raised again where somebody waits for it
            done.put(_Failed(exc))
