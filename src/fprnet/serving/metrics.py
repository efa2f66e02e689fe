"""What Prometheus reads: requests, waiting times, batches, the queue, the gallery's size."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["MEDIA_TYPE", "Metrics"]

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The counters of one service, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter(
            "fprnet_requests", "Requests by route and status", labels, registry=self._registry
        )
        self.seconds = Histogram(
            "fprnet_request_seconds",
            "Time from the request's head to the last byte of the answer",
            ("method", "route"),
            buckets=SECONDS,
            registry=self._registry,
        )
        self.stages = Histogram(
            "fprnet_search_stage_seconds",
            "Time of a search by stage: decode, embed, search",
            ("stage",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self.batches = Histogram(
            "fprnet_batch_images",
            "Images of a batch that the model embedded",
            buckets=SIZES,
            registry=self._registry,
        )
        self.images = Counter(
            "fprnet_images", "Images sent to the gallery", ("outcome",), registry=self._registry
        )
        self._queue = Gauge(
            "fprnet_queue_images", "Images that wait for the model", registry=self._registry
        )
        self._records = Gauge(
            "fprnet_gallery_records", "Records that a search can find", registry=self._registry
        )

    def watch(self, *, queue: Callable[[], float], records: Callable[[], float]) -> None:
        """Name the functions that are asked whenever the metrics are read."""
        self._queue.set_function(queue)
        self._records.set_function(records)

    def text(self) -> bytes:
        """Return Prometheus' text format."""
        return generate_latest(self._registry)
