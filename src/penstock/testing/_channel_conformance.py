"""What every channel must do, run over the one in memory and any other."""

import asyncio

from penstock.flow import ChannelClosedError, Message
from penstock.testing._settling_conformance import SettlingCases, rest, run_scenario


class ChannelConformance(SettlingCases):
    """Subclass it in a test module, and supply `make_channel`.

    For a `penstock.channels.SettlingChannel` it includes what holds of what is in hand.
    """

    def test_messages_come_out_in_the_order_they_went_in(self) -> None:
        """First in, first out."""

        async def scenario() -> None:
            channel = self.make_channel(8, 1 << 20)
            for number in range(5):
                await channel.put(Message(number))
            assert [channel.get_nowait().payload for _ in range(5)] == list(range(5))  # type: ignore[union-attr]
            assert channel.get_nowait() is None

        run_scenario(scenario)

    def test_a_full_channel_holds_its_upstream_back(self) -> None:
        """Never more than the capacity, and the writer goes on when there is room."""

        async def scenario() -> None:
            channel = self.make_channel(2, 1 << 20)
            assert [channel.put_nowait(Message(number)) for number in range(3)] == [
                True,
                True,
                False,
            ]
            writer = asyncio.create_task(channel.put(Message(2)))
            await rest()
            assert not writer.done()
            taken = [await channel.get(), await channel.get()]
            await writer
            taken.append(await channel.get())
            assert [message.payload for message in taken if message] == [0, 1, 2]

        run_scenario(scenario)

    def test_capacity_is_in_bytes_too(self) -> None:
        """Whichever bound comes first."""

        async def scenario() -> None:
            channel = self.make_channel(100, 100)
            assert channel.put_nowait(Message(b"x" * 60))
            assert not channel.put_nowait(Message(b"x" * 60))
            assert channel.put_nowait(Message(b"x" * 40))

        run_scenario(scenario)

    def test_a_message_larger_than_the_capacity_is_admitted_alone(self) -> None:
        """Otherwise it would wait for ever."""

        async def scenario() -> None:
            channel = self.make_channel(100, 100)
            assert channel.put_nowait(Message(b"x" * 1000))
            assert not channel.put_nowait(Message(b"x"))
            writer = asyncio.create_task(channel.put(Message(b"y" * 1000)))
            await rest()
            assert not writer.done()
            await channel.get()
            await writer

        run_scenario(scenario)

    def test_the_end_reaches_every_reader_after_the_last_message(self) -> None:
        """However many readers: one end mark for all would leave the others waiting."""

        async def scenario() -> None:
            channel = self.make_channel(8, 1 << 20)
            readers = [asyncio.create_task(channel.get()) for _ in range(4)]
            await rest()
            await channel.put(Message(7))
            channel.close()
            channel.close()
            results = await asyncio.gather(*readers)
            assert sorted(message.payload for message in results if message) == [7]
            assert await channel.get() is None

        run_scenario(scenario)

    def test_nothing_is_put_after_the_end(self) -> None:
        """It could never be taken."""

        async def scenario() -> None:
            channel = self.make_channel(8, 1 << 20)
            channel.close()
            try:
                await channel.put(Message(1))
            except ChannelClosedError:
                return
            raise AssertionError("a closed channel took a message")

        run_scenario(scenario)

    def test_a_cancelled_reader_loses_no_message(self) -> None:
        """Also when it is cancelled after it was woken and before it ran."""

        async def scenario() -> None:
            channel = self.make_channel(8, 1 << 20)
            first, second = (asyncio.create_task(channel.get()) for _ in range(2))
            await rest()
            await channel.put(Message(1))
            first.cancel()
            taken = await asyncio.wait_for(second, 60)
            assert taken is not None
            assert taken.payload == 1

        run_scenario(scenario)

    def test_a_cancelled_writer_leaves_the_channel_as_it_was(self) -> None:
        """And does not block those behind it."""

        async def scenario() -> None:
            channel = self.make_channel(1, 1 << 20)
            await channel.put(Message(0))
            first = asyncio.create_task(channel.put(Message(1)))
            second = asyncio.create_task(channel.put(Message(2)))
            await rest()
            first.cancel()
            taken = [await channel.get(), await asyncio.wait_for(channel.get(), 60)]
            await second
            assert [message.payload for message in taken if message] == [0, 2]
            assert channel.get_nowait() is None

        run_scenario(scenario)
