"""How a service was started: every limit, with the reason for its default."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from fprnet.errors import UsageError

__all__ = ["Settings", "is_loopback"]

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Settings:
    """Checked when it is made.

    Attributes:
        host: Address to listen on.
        port: 0 takes a free one.
        folder: Folder of the service: copies of uploaded images, and of query images with feedback.
        audit: File of the audit log; None keeps it in the gallery.
        keys: Let in only who has a key of the gallery; without, everybody on this machine may do
            everything.
        image_roots: Folders whose files may be shown.
        allowed_hosts: Names by which browsers may reach the service besides its address.
        trusted_proxy: Address of the reverse proxy whose X-Forwarded-For is believed.
        rate: Requests of one caller a second, over time; 0 sets no limit.
        burst: Requests of one caller at once.
        image_bytes: Most bytes of one image file; a crop of a person has some ten thousand.
        image_pixels: Most pixels of one image, before decoding; 4 bytes of memory each.
        upload_images: In one upload to the gallery.
        batch: Images that the model embeds at once.
        wait: Seconds that an image waits for company.
        queue: Images that may wait for the model.
        requests: In work at once; more are told to come back.
        connections: Open at once; beyond, the longest idle one of the address with most is closed.
        grace: Seconds that a shutdown waits for what was accepted.

    Raises:
        UsageError: The address is not of this machine only, and there are no keys.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    folder: Path = Path("fprnet-service")
    audit: Path | None = None
    keys: bool = False
    image_roots: tuple[Path, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxy: str | None = None
    rate: float = 50.0
    burst: int = 200  # a page with 50 matches asks for 50 pictures at once
    image_bytes: int = 16 * MEGABYTE
    image_pixels: int = 25_000_000
    upload_images: int = 10_000
    batch: int = 16
    wait: float = 0.005
    queue: int = 128
    requests: int = 256
    connections: int = 512
    grace: int = 30

    def __post_init__(self) -> None:
        if not self.keys and not is_loopback(self.host):
            raise UsageError(
                f"--host {self.host} can be reached from other machines, and needs no keys; "
                "make some with 'fprnet keys add NAME --role search --gallery URI' and give --keys"
            )
        if self.queue < self.batch:
            raise UsageError(
                f"--queue {self.queue} is smaller than --batch {self.batch}; give it at least as "
                "many images"
            )

    @property
    def search_bytes(self) -> int:
        """Of the body of a search: two full images, or eight usual ones, and its options."""
        return 2 * self.image_bytes + MEGABYTE


def is_loopback(host: str) -> bool:
    """Whether an address can only be reached from this machine.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
