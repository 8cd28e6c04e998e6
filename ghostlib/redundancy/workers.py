"""Layers side by side, one on each core: arrays alone, whose products let other threads run."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from threadpoolctl import ThreadpoolController

from ghostlib.redundancy.products import Step

WAIT = 0.2  # seconds between looks at whether somebody interrupts
Key = TypeVar("Key")
Given = TypeVar("Given")
Made = TypeVar("Made")


class Workers:
    """As many threads as NumPy's products are allowed, each of which then makes its products alone.

    Products of this size gain little from two threads: they wait for one another after each, on a busy machine for long.
    Layers need not wait. `OMP_NUM_THREADS` bounds their number, as it does that of all others.

    Args:
        step: What is told of progress; by one thread at a time.
    """

    def __init__(self, step: Step):
        self._tell, self._lock, self._ended = step, threading.Lock(), threading.Event()
        controller = ThreadpoolController().select(user_api="blas")
        self._threads = max((library["num_threads"] for library in controller.info()), default=1)
        self._alone = controller.limit(limits=1)

    def __enter__(self) -> "Workers":
        self._alone.__enter__()
        self._pool = ThreadPoolExecutor(self._threads)
        return self

    def __exit__(self, *raised: object) -> None:
        """Ends threads that are at work after their block, which the next `step` of each notices."""
        self._ended.set()
        self._pool.shutdown(cancel_futures=True)
        self._alone.__exit__(*raised)

    def step(self, done: float) -> None:
        """Passes on what has been done; ends the thread if nobody waits for it any more."""
        if self._ended.is_set():
            raise CancelledError
        with self._lock:
            self._tell(done)

    def each(self, make: Callable[[Key, Given, Step], Made], given: Sequence[tuple[Key, Given]],
             work: Callable[[Key], float]) -> Iterator[tuple[Key, Made]]:
        """What is made of each, as it is finished. Of each its whole work is told, whatever it told itself."""
        def one(key: Key, of: Given) -> Made:
            told = [0.0]

            def step(done: float) -> None:
                told[0] += done
                self.step(done)
            made = make(key, of, step)
            self.step(max(0.0, work(key) - told[0]))
            return made
        keys: dict[Future[Made], Key] = {self._pool.submit(one, key, of): key for key, of in given}
        left = set(keys)
        while left:
            done, left = wait(left, timeout=WAIT, return_when=FIRST_COMPLETED)
            for future in done:
                yield keys[future], future.result()
