"""Events as signed requests."""

import asyncio
import base64
import hashlib
import hmac
import http.client
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from penstock.base import Clock
from penstock.events._cloud import CloudEvent
from penstock.events._sink import EventSink

_TIMEOUT_S: Final = 10.0
_GOOD: Final = range(200, 300)
_REMEMBERED: Final = 10_000
_ENCODED: Final = "whsec_"


def signature(secret: str, id: str, timestamp: int, body: bytes) -> str:  # noqa: A002 - the word of the specification
    """Return the value of `webhook-signature`. Source: Standard Webhooks, symmetric signatures.

    A secret that begins with `whsec_` is base64 behind that, as the specification has it; any other
    is taken as it is.
    """
    signed = f"{id}.{timestamp}.".encode() + body
    coded = secret.startswith(_ENCODED)
    key = base64.b64decode(secret.removeprefix(_ENCODED)) if coded else secret.encode()
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


class WebhookSink(EventSink):
    """Posts each event to a URL, one after the other, so that the order of each run is kept.

    The receiver sees `webhook-id`, which is the event's id: one that comes again was sent before.
    That happens after a crash, or when an answer was lost; what was answered is not sent again when
    an event behind it fails. An answer other than 2xx, or none in ten seconds, is a failure; redirects are not followed.
    """

    def __init__(self, url: str, secret: str, *, clock: Clock) -> None:
        """Prepare a sink.

        Args:
            url: `http` or `https`.
            secret: Shared with the receiver, for signatures.
            clock: For timestamps.
        """
        self._url = urlsplit(url)
        self._secret = secret
        self._clock = clock
        self._answered: OrderedDict[str, None] = OrderedDict()

    async def send(self, events: Sequence[CloudEvent]) -> None:
        for event in events:
            if event.id not in self._answered:
                await self._send_one(event)

    async def _send_one(self, event: CloudEvent) -> None:
        """Who is cancelled waits for the answer all the same: without it the event would be sent twice."""
        posting = asyncio.ensure_future(asyncio.to_thread(self._post, event))
        try:
            await asyncio.shield(posting)
        except asyncio.CancelledError:
            with suppress(OSError):
                await posting
                self._remember(event.id)
            raise
        self._remember(event.id)

    def _remember(self, id: str) -> None:  # noqa: A002 - the word of the specification
        self._answered[id] = None
        if len(self._answered) > _REMEMBERED:
            self._answered.popitem(last=False)

    def _post(self, event: CloudEvent) -> None:
        body = event.text().encode()
        now = int(self._clock.now().timestamp())
        headers = {
            "content-type": "application/cloudevents+json",
            "webhook-id": event.id,
            "webhook-timestamp": str(now),
            "webhook-signature": signature(self._secret, event.id, now, body),
        }
        secure = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(self._url.netloc, timeout=_TIMEOUT_S)
        path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        try:
            connection.request("POST", path, body, headers)
            status = connection.getresponse().status
        except http.client.HTTPException as error:
            raise ConnectionError(f"no HTTP answer from {self._url.netloc}: {error!r}") from error
        finally:
            connection.close()
        if status not in _GOOD:
            raise ConnectionError(f"expected 2xx from {self._url.netloc}, got {status}")
