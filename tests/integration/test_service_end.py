"""SIGTERM while clients search: whoever was let in is answered."""

import http.client
import threading
from collections import Counter

from service_cases import image_bytes, part

CLIENTS = 12
BEFORE = 40  # answers before the signal
FORM = {"Content-Type": "multipart/form-data; boundary=x"}


def test_requests_that_were_let_in_are_answered(serve):
    body = part("images", image_bytes(7, colour=False), "a.png") + b"--x--\r\n"
    outcomes: Counter[str] = Counter()
    enough = threading.Event()

    def search_until_the_end(port: int) -> None:
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                connection.connect()
            except ConnectionError:
                return  # nobody listens any more
            try:
                connection.request("POST", "/v1/search", body, FORM)
                outcomes[str(connection.getresponse().status)] += 1
            except (OSError, http.client.HTTPException) as error:
                outcomes[type(error).__name__] += 1
            finally:
                connection.close()
            if outcomes["200"] >= BEFORE:
                enough.set()

    with serve("--rate", 0) as (process, _):
        port = int(process.address.rpartition(":")[2])
        clients = [
            threading.Thread(target=search_until_the_end, args=(port,)) for _ in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        assert enough.wait(timeout=120)
        assert process.stop() == 0
        for client in clients:
            client.join()
        assert "Traceback" not in process.log.read_text()
    assert set(outcomes) <= {"200", "503"}, outcomes
