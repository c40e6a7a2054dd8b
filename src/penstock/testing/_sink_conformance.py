"""What every sink that keeps events must do with those that it is sent again."""

import asyncio
from collections.abc import Sequence

from penstock.events import CloudEvent, EventSink


class EventSinkConformance:
    """Subclass it in a test module, and supply `make_sink` and `kept`."""

    def make_sink(self) -> EventSink:
        """A sink on the same place each time within one test, empty at first."""
        raise NotImplementedError

    def kept(self) -> Sequence[str]:
        """The ids of the events at that place, in their order."""
        raise NotImplementedError

    def send(self, *pages: Sequence[int]) -> None:
        """Send pages of events, each by a sink of its own: another process might."""
        for page in pages:
            asyncio.run(self.make_sink().send([event(number) for number in page]))

    def test_events_stand_in_the_order_in_which_they_were_sent(self) -> None:
        """Over all pages."""
        self.send([1, 2], [3], [4, 5])

        assert list(self.kept()) == ["r:1", "r:2", "r:3", "r:4", "r:5"]

    def test_a_page_that_is_sent_again_is_kept_once(self) -> None:
        """Whole or in part, as a crash between sink and cursor makes it."""
        self.send([1, 2], [1, 2], [2, 3], [1, 2, 3, 4])

        assert list(self.kept()) == ["r:1", "r:2", "r:3", "r:4"]

    def test_gaps_between_positions_are_normal(self) -> None:
        """Nothing waits for what never comes."""
        self.send([2, 5], [9])

        assert list(self.kept()) == ["r:2", "r:5", "r:9"]


def event(position: int) -> CloudEvent:
    """An event of the run `r`."""
    return CloudEvent(position, {"id": f"r:{position}"}, {"n": position})
