"""Processes that run beside a test: ``fprnet watch``, and a real MQTT broker."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest

LONG = 90  # seconds that anything here may take on a busy machine


class Watching:
    """A running ``fprnet watch``: its tracklets and its lines, as they come."""

    def __init__(self, *words):
        command = [sys.executable, "-m", "fprnet", "watch", *map(str, words), "--json"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.tracklets, self.lines = [], []
        self._readers = [
            threading.Thread(target=self._read, args=pair)
            for pair in ((self.process.stdout, self.tracklets), (self.process.stderr, self.lines))
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream, lines):
        with stream:
            for line in stream:
                is_data = line.startswith("{")
                lines.append(json.loads(line)["tracklet"] if is_data else line.strip())

    def wait_for(self, condition):
        end = time.monotonic() + LONG
        while not condition():
            assert time.monotonic() < end, (self.lines, self.tracklets)
            assert self.process.poll() is None, self.lines
            time.sleep(0.05)

    def said(self, *words):
        return sum(all(word in line for word in words) for line in self.lines)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        status = self.process.wait(LONG)
        for reader in self._readers:
            reader.join(LONG)
        return status


@contextmanager
def watching(*words):
    one = Watching(*words)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def broker_program() -> str:
    found = shutil.which("mosquitto", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if found is None:
        pytest.skip("mosquitto is not installed (Debian: apt-get install mosquitto)")
    return found


@contextmanager
def broker(port, folder, access="allow_anonymous true"):
    """A real MQTT broker on this machine."""
    config = folder / "mosquitto.conf"
    lines = (f"listener {port} 127.0.0.1", access, "persistence false", "user root", "")
    config.write_text("\n".join(lines))
    with subprocess.Popen(
        [broker_program(), "-c", config], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 20
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert time.monotonic() < deadline
            time.sleep(0.05)
        try:
            yield
        finally:
            process.terminate()
