"""An address becomes an MQTT broker, and a client that may talk to it."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fprnet.errors import UsageError

if TYPE_CHECKING:
    from paho.mqtt.client import Client

__all__ = ["KEEPALIVE", "Broker"]

PORTS = {"mqtt": 1883, "mqtts": 8883}
KEEPALIVE = 30  # seconds without a word after which a side counts as gone


@dataclass(frozen=True)
class Broker:
    """Where messages go through.

    Attributes:
        host: Name or address of its machine.
        port: TCP port.
        prefix: First part of the topics.
        user: Who connects; None: nobody in particular.
        is_secure: Whether the connection is encrypted.
    """

    host: str
    port: int
    prefix: str
    user: str | None
    is_secure: bool

    @staticmethod
    def of(url: str, *, prefix: str) -> Broker:
        """Return the broker of an address.

        Args:
            url: ``mqtt://`` or ``mqtts://[USER@]HOST[:PORT][/PREFIX]``.
            prefix: Where the address has none.

        Raises:
            UsageError: The address is none, or has a password.

        Examples:
            >>> Broker.of("mqtts://me@broker.local", prefix="frigate").name
            'mqtts://broker.local:8883/frigate'
        """
        shown = url.rpartition("@")[2]  # without what may be a password
        try:
            parts = urllib.parse.urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise UsageError(f"broker {shown!r} is no address; correct it") from None
        if parts.password is not None:
            raise UsageError(
                "the broker's address has a password, which logs would show; set $MQTT_PASSWORD"
            )
        if parts.scheme not in PORTS or not host or parts.query or parts.fragment:
            raise UsageError(f"broker {shown!r} is no mqtt:// or mqtts:// address; correct it")
        topic = parts.path.strip("/") or prefix
        if re.search(r"[+#\x00]", topic):
            raise UsageError(f"topic {topic!r} has one of + and #; correct it")
        is_secure = parts.scheme == "mqtts"
        return Broker(host, port or PORTS[parts.scheme], topic, parts.username, is_secure)

    @property
    def name(self) -> str:
        """Its address without the user."""
        scheme = "mqtts" if self.is_secure else "mqtt"
        return f"{scheme}://{self.host}:{self.port}/{self.prefix}"

    def client(self, password: str | None) -> Client:
        """Return a client that is not connected yet.

        Args:
            password: The user's password at the broker; None sends none.

        Raises:
            UsageError: paho-mqtt is not installed.
        """
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise UsageError("MQTT needs a package: pip install 'fprnet[watch]'") from error
        client = Client(CallbackAPIVersion.VERSION2)
        if self.user is not None:
            client.username_pw_set(self.user, password)
        if self.is_secure:
            client.tls_set()
        return client
