"""What is shared in a thread is made there, once, and not before it is asked for."""

from __future__ import annotations

import threading

from engine.s3.of_thread import OfThread


def test_each_thread_makes_its_own_when_it_asks() -> None:
    made: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    one = OfThread(make)
    assert made == [], "what an import makes would be shared with what is forked off"
    here = one.shared
    assert one.shared is here
    there: list[object] = []
    other = threading.Thread(target=lambda: there.extend((one.shared, one.shared)))
    other.start()
    other.join()
    assert made == [here, there[0]]
    assert there[0] is there[1] is not here
