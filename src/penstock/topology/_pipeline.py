"""What a topology runs."""

from typing import Protocol


class Pipeline(Protocol):
    """Work that a topology runs beside other work.

    The pipeline holds the context it was built with. It looks at `context.shutdown` between two
    pieces of work and then returns with what it has in hand finished; a stop that takes longer than
    the drain deadline becomes a cancellation. What it has not finished when it is cancelled or
    killed, it does again at the next start.
    """

    @property
    def key(self) -> str:
        """Its name: unique among the pipelines of a run, the same after a restart."""
        ...

    async def run(self) -> str:
        """Work until all is done or a shutdown is requested; return one line that says what was done.

        It is called again after a failure and starts then from what is stored.

        Raises:
            FailureLimitError: More work failed than is allowed; it will not be called again.
            DamagedStateError: Going on could lose or double data; it will not be called again.
            Exception: Anything else is a failure that another start may overcome.
        """
        ...
