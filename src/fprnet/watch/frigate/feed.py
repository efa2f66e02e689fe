"""A broker's messages about Frigate's events wait for whoever takes them, in a bounded queue."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fprnet.events.broker import KEEPALIVE, Broker
from fprnet.watch.frames import Say
from fprnet.watch.frigate.outage import Outage

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.reasoncodes import ReasonCode

__all__ = ["Feed"]

ROOM = 1000  # messages that may wait, of some kilobytes each
ONLINE = b"online"  # what Frigate says of itself when it has started
LONGEST_WAIT = 30  # seconds between two attempts to reach a broker


class Feed:
    """The messages of ``PREFIX/events``; connects again and again.

    They may have been missed before each connection, when too many waited, and before Frigate says
    on ``PREFIX/available`` that it has started.

    Args:
        broker: Where Frigate publishes.
        password: The user's password at the broker; None sends none.
        room: Messages that may wait; those that come then are lost.

    Raises:
        UsageError: paho-mqtt is not installed.
    """

    def __init__(self, broker: Broker, password: str | None, *, room: int = ROOM) -> None:
        self._broker = broker
        self._events, self._available = f"{broker.prefix}/events", f"{broker.prefix}/available"
        self._client = broker.client(password)
        self._client.reconnect_delay_set(1, LONGEST_WAIT)
        self._waiting: queue.Queue[bytes] = queue.Queue(room)
        self._is_behind = threading.Event()

    @contextmanager
    def running(self, say: Say) -> Iterator[None]:
        """Receive messages in the block, in a thread of the client.

        Args:
            say: Told when the broker is gone, and when it is back.
        """
        client, outage = self._client, Outage(self._broker.name, say)

        def connected(
            by: Client, data: object, flags: object, reason: ReasonCode, more: object
        ) -> None:
            if reason.is_failure:
                outage.begins(f"{self._broker.name} refuses the connection ({reason})")
            else:
                by.subscribe([(self._events, 1), (self._available, 1)])

        def subscribed(*_: object) -> None:
            outage.ends()
            self._is_behind.set()

        client.on_connect = connected
        client.on_subscribe = subscribed
        client.on_connect_fail = lambda *_: outage.begins(f"{self._broker.name} does not answer")
        client.on_disconnect = lambda *_: outage.begins(f"{self._broker.name} is gone")
        client.on_message = lambda by, data, message: self._put(
            message.topic, bytes(message.payload)
        )
        client.connect_async(self._broker.host, self._broker.port, keepalive=KEEPALIVE)
        client.loop_start()
        try:
            yield
        finally:
            client.on_disconnect = None
            client.disconnect()
            client.loop_stop()

    def take(self, timeout: float) -> bytes | None:
        """Return the next message; None after ``timeout`` seconds without one."""
        try:
            return self._waiting.get(timeout=timeout)
        except queue.Empty:
            return None

    def was_behind(self) -> bool:
        """Whether messages may have been missed since this was asked last."""
        was_behind = self._is_behind.is_set()
        self._is_behind.clear()
        return was_behind

    def _put(self, topic: str, payload: bytes) -> None:
        if topic == self._available:
            if payload == ONLINE:
                self._is_behind.set()
            return
        try:
            self._waiting.put_nowait(payload)
        except queue.Full:
            self._is_behind.set()
