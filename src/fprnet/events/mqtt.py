"""Events on an MQTT topic, with the discovery messages that Home Assistant reads.

Topic ``PREFIX/events/CAMERA`` has each event as JSON, with ``event_type`` "match" as Home
Assistant's MQTT event entity wants it; ``homeassistant/event/.../config`` (retained) announces the
entity of a camera when its first event comes.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading

from fprnet.events.broker import KEEPALIVE, Broker
from fprnet.events.outbox import Event
from fprnet.events.sinks import PATIENCE, UndeliveredError

__all__ = ["MqttSink"]

DISCOVERY = "homeassistant"


class MqttSink:
    """Publishes each event with quality of service 1: the broker acknowledges it.

    Args:
        url: ``mqtt://`` or ``mqtts://[USER@]HOST[:PORT][/PREFIX]``; the prefix is "fprnet".
        password: Password of the user in the address; None sends none.

    Raises:
        UsageError: The address is none, or paho-mqtt is not installed.
    """

    def __init__(self, url: str, password: str | None = None) -> None:
        self._broker = Broker.of(url, prefix="fprnet")
        self._prefix, self.name = self._broker.prefix, self._broker.name
        self._client = self._broker.client(password)
        self._connected = threading.Event()
        self._refused = ""
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = lambda *_: self._connected.clear()
        self._running = False
        self._announced: set[str] = set()

    def send(self, event: Event) -> None:
        """Publish an event, and before the first one of a camera its announcement.

        Raises:
            UndeliveredError: The broker is not there, or does not acknowledge it.
        """
        self._connect()
        camera = event.tracklet.camera
        if camera not in self._announced:
            topic, text = self._announcement(camera)
            self._publish(topic, text, retain=True)
            self._announced.add(camera)
        body = {"event_type": "match", **event.model_dump(mode="json")}
        self._publish(self._topic(camera), json.dumps(body), retain=False)

    def close(self) -> None:
        """Disconnect."""
        if self._running:
            self._client.disconnect()
            self._client.loop_stop()
            self._running = False

    def _connect(self) -> None:
        if not self._running:
            try:
                self._client.connect(self._broker.host, self._broker.port, keepalive=KEEPALIVE)
            except (OSError, ValueError) as error:
                raise UndeliveredError(f"{self.name} does not answer ({error})") from error
            self._client.loop_start()
            self._running = True
        if not self._connected.wait(PATIENCE):
            raise UndeliveredError(f"{self.name} {self._refused or 'does not answer'}")

    def _on_connect(
        self, client: object, data: object, flags: object, reason: object, *_: object
    ) -> None:
        if getattr(reason, "is_failure", False):
            self._refused = f"refuses the connection ({reason})"
        else:
            self._refused = ""
            self._connected.set()

    def _publish(self, topic: str, text: str, *, retain: bool) -> None:
        try:
            sent = self._client.publish(topic, text, qos=1, retain=retain)
            sent.wait_for_publish(PATIENCE)
        except (ValueError, RuntimeError) as error:
            raise UndeliveredError(f"{self.name} does not take events ({error})") from error
        if not sent.is_published():
            raise UndeliveredError(f"{self.name} does not acknowledge")

    def _topic(self, camera: str) -> str:
        return f"{self._prefix}/events/{_level(camera)}"

    def _announcement(self, camera: str) -> tuple[str, str]:
        """Return topic and payload of Home Assistant's discovery of a camera's entity."""
        unique = hashlib.sha256(f"{self._prefix}/{camera}".encode()).hexdigest()[:16]
        payload = {
            "name": f"{camera} watch list",
            "unique_id": f"fprnet_{unique}",
            "state_topic": self._topic(camera),
            "event_types": ["match"],
            "icon": "mdi:account-eye",
            "device": {"identifiers": [f"fprnet_{self._prefix}"], "name": self._prefix},
        }
        return f"{DISCOVERY}/event/fprnet_{unique}/config", json.dumps(payload)


def _level(camera: str) -> str:
    """Return a name as one level of a topic, no two alike: signs that topics use are encoded."""
    return re.sub(r"[/+#%\x00]", lambda sign: f"%{ord(sign[0]):02X}", camera)
