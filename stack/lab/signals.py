"""Waiting for signals in a process that has threads: none is lost, whichever thread it would have been given to."""

import signal


class Signals:
    """Holds back SIGTERM, SIGINT and the signals named until `wait` asks; make it before the first thread.

    A handler would run in the main thread, which sleeps on when the kernel wakes another one for the signal.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        self._numbers = {signal.SIGTERM, signal.SIGINT, *numbers}
        signal.pthread_sigmask(signal.SIG_BLOCK, self._numbers)
        for number in self._numbers:
            # The first process of a container is not given what it has no handler for.
            signal.signal(number, lambda *_: None)

    def wait(self) -> signal.Signals:
        """Return the next signal."""
        return signal.Signals(signal.sigwait(self._numbers))
