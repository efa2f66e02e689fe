"""A model run by OpenVINO on the CPU: one compiled graph per modality, several requests at once.

Shapes: B images of H x W pixels in a batch; D numbers per embedding.
"""

from __future__ import annotations

import io
import queue
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import openvino
import torch
from numpy.typing import NDArray
from torch.jit._trace import TracerWarning

from fprnet.data.records import Modality
from fprnet.embeddings.backend import Embeddings, Pixels, Precision, Runtime, worker_threads
from fprnet.embeddings.graph_cache import fingerprint, read_graph, write_graph
from fprnet.embeddings.inference_graph import InferenceGraph
from fprnet.models.reidentifier import Reidentifier

__all__ = [
    "HINTS",
    "GraphSource",
    "OpenVinoBackend",
    "backend_of_model",
    "converted",
    "has_bfloat16",
]

HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}  # int8: of what is not quantised

Compile = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class GraphSource:
    """Where the graphs come from.

    Attributes:
        open: Modality -> a function that compiles its graph with some properties.
        embedding_size: D.
    """

    open: Callable[[Modality], Compile]
    embedding_size: int


class OpenVinoBackend:
    """Compiled graphs and idle requests of them; graphs are compiled when first needed.

    Args:
        source: Opens the graph of each modality.
        precision: Precision of the convolutions.
        threads: Number of threads; None takes `worker_threads`.
    """

    runtime: Runtime = "openvino"

    def __init__(
        self, source: GraphSource, *, precision: Precision, threads: int | None = None
    ) -> None:
        self.precision: Precision = precision
        self.embedding_size = source.embedding_size
        self.threads = threads or worker_threads()
        self._source = source
        self._compile: dict[Modality, Compile] = {}
        self._idle: dict[tuple[Modality, int], queue.SimpleQueue[Any]] = {}
        self._lock = threading.Lock()

    def embed_batches(
        self, batches: Iterable[Pixels], modality: Modality, *, bulk: bool
    ) -> Iterator[Embeddings]:
        """Embed several batches at a time in bulk, one with all threads otherwise; see `Backend`.

        In bulk each thread computes a batch of its own, which is faster than sharing one.
        """
        idle = self._requests(modality, streams=self.threads if bulk else 1)
        running: deque[Any] = deque()  # this call's requests, the earliest first
        try:
            for pixels in batches:
                request = self._take(idle, wait=not running)
                if request is None:
                    yield _result(running[0])
                    request = running.popleft()
                running.append(request)
                request.start_async([pixels], share_inputs=True)
            while running:
                yield _result(running[0])
                idle.put(running.popleft())
        finally:
            for request in running:  # the caller stopped early
                request.wait()
                idle.put(request)

    @staticmethod
    def _take(idle: queue.SimpleQueue[Any], *, wait: bool) -> Any | None:  # noqa: ANN401
        """Return an idle request. Whoever holds one never waits for another: no deadlock."""
        try:
            return idle.get(block=wait)
        except queue.Empty:
            return None

    def _requests(self, modality: Modality, *, streams: int) -> queue.SimpleQueue[Any]:
        """Return the idle requests of a graph; one more than streams, so that none ever waits."""
        with self._lock:
            if (modality, streams) not in self._idle:
                if modality not in self._compile:
                    self._compile[modality] = self._source.open(modality)
                compiled = self._compile[modality](
                    {
                        "INFERENCE_PRECISION_HINT": HINTS[self.precision],
                        "INFERENCE_NUM_THREADS": self.threads,
                        "NUM_STREAMS": streams,
                    }
                )
                idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
                for _ in range(streams + 1):
                    idle.put(compiled.create_infer_request())
                self._idle[modality, streams] = idle
            return self._idle[modality, streams]


def backend_of_model(
    model: Reidentifier,
    size: tuple[int, int],
    *,
    precision: Literal["float32", "bfloat16"],
    threads: int | None = None,
    keep: bool = True,
) -> OpenVinoBackend:
    """Run a PyTorch model; its graphs are converted when first needed and kept on disk.

    Args:
        model: In evaluation mode, on the CPU.
        size: H, W of the model's input.
        precision: Precision of the convolutions.
        threads: Number of threads; None takes `worker_threads`.
        keep: Whether compiled graphs are looked for and kept on disk.
    """

    def open_graph(modality: Modality) -> Compile:
        return _opened(model, size, modality, precision, keep=keep)

    source = GraphSource(open_graph, model.embedding_size)
    return OpenVinoBackend(source, precision=precision, threads=threads)


def converted(
    model: Reidentifier,
    size: tuple[int, int],
    modality: Modality,
    projection: NDArray[np.float32] | None = None,
) -> openvino.Model:
    """Return the graph of one modality: uint8 "images" (B, H, W, 3) to "embeddings" (B, D).

    Args:
        model: In evaluation mode.
        size: H, W of the model's input.
        modality: Modality of the images.
        projection: ``(D, d)``, for a second output "compact" (B, d); None for none.
    """
    graph = InferenceGraph(model, modality, projection)
    example = torch.zeros(2, *size, 3, dtype=torch.uint8)
    with warnings.catch_warnings(), torch.no_grad():
        # The branches depend on the modality and the size only, which a graph has fixed.
        warnings.simplefilter("ignore", TracerWarning)
        warnings.filterwarnings("ignore", message=".*torch.jit.trace", category=DeprecationWarning)
        traced = torch.jit.trace(graph, example, check_trace=False)  # type: ignore[no-untyped-call]
    result = openvino.convert_model(traced, input=[([-1, *size, 3], openvino.Type.u8)])
    result.input(0).get_tensor().set_names({"images"})
    result.output(0).get_tensor().set_names({"embeddings"})
    if projection is not None:
        result.output(1).get_tensor().set_names({"compact"})
    result.validate_nodes_and_infer_types()
    return result


def has_bfloat16() -> bool:
    """Whether this CPU has bfloat16 instructions, as OpenVINO reports it."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _opened(
    model: Reidentifier,
    size: tuple[int, int],
    modality: Modality,
    precision: Literal["float32", "bfloat16"],
    *,
    keep: bool,
) -> Compile:
    """Return what compiles the graph of a modality, from disk where it is kept."""
    core = openvino.Core()
    processor = core.get_property("CPU", "FULL_DEVICE_NAME")
    settings = {"size": size, "modality": modality, "precision": precision, "cpu": processor}
    key = fingerprint(model, settings) if keep else ""

    def compile_graph(properties: dict[str, Any]) -> Any:  # noqa: ANN401
        content = read_graph(key) if keep else None
        if content is not None:
            try:
                return core.import_model(io.BytesIO(content), "CPU", properties)
            except RuntimeError:
                print("the kept compiled model is damaged and is made again", file=sys.stderr)
        compiled = core.compile_model(converted(model, size, modality), "CPU", properties)
        if keep:
            write_graph(key, compiled.export_model().getvalue())
        return compiled

    return compile_graph


def _result(request: Any) -> Embeddings:  # noqa: ANN401
    request.wait()
    embeddings: Embeddings = request.get_output_tensor(0).data.copy()
    return embeddings
