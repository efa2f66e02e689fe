"""Images of many requests in few batches: order, company, room, the end."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fprnet.serving.batching import Batcher, ClosedError, FullError


def pixels(number: int) -> np.ndarray:
    return np.full((2, 1, 3), number, dtype=np.uint8)


class Model:
    """Embeds an image as its first pixel; holds every batch until it is released."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self.threads: set[int] = set()
        self.started = threading.Semaphore(0)
        self.release = threading.Event()
        if not held:
            self.release.set()

    def __call__(self, images: np.ndarray, modality: str) -> np.ndarray:
        self.threads.add(threading.get_ident())
        self.batches.append((modality, images[:, 0, 0, 0].tolist()))
        self.started.release()
        assert self.release.wait(30)
        return images[:, 0, 0, :1].astype(np.float32)


def test_every_image_gets_its_own_embedding_from_one_thread():
    model = Model()
    batcher = Batcher(model, most=7, wait=0, room=200)
    with ThreadPoolExecutor(8) as pool:
        futures = list(
            pool.map(
                lambda n: batcher.submit([pixels(n)], "visible" if n % 3 else "infrared")[0],
                range(200),
            )
        )
    assert [future.result()[0] for future in futures] == list(range(200))
    batcher.close()
    assert len(model.threads) == 1
    assert all(len(numbers) <= 7 for _, numbers in model.batches)
    for modality, numbers in model.batches:
        assert {("visible" if n % 3 else "infrared") for n in numbers} == {modality}


def test_what_arrives_while_the_model_works_is_one_batch():
    model = Model(held=True)
    sizes: list[int] = []
    batcher = Batcher(model, most=16, wait=0, observe=sizes.append)
    futures = batcher.submit([pixels(0)], "infrared")
    assert model.started.acquire(timeout=30)
    for number in range(1, 11):
        futures += batcher.submit([pixels(number)], "infrared")
    assert len(batcher) == 10
    model.release.set()
    assert [future.result(30)[0] for future in futures] == list(range(11))
    assert model.batches == [("infrared", [0]), ("infrared", list(range(1, 11)))]
    assert sizes == [1, 10]
    batcher.close()


def test_image_waits_for_company_but_a_full_batch_does_not_wait():
    model = Model()
    batcher = Batcher(model, most=3, wait=3600)
    futures = [batcher.submit([pixels(number)], "infrared")[0] for number in range(3)]
    assert [future.result(30)[0] for future in futures] == [0, 1, 2]
    assert model.batches == [("infrared", [0, 1, 2])]
    batcher.close()


def test_other_modality_does_not_wait_behind_a_lonely_image():
    model = Model()
    batcher = Batcher(model, most=2, wait=0.01)
    lonely = batcher.submit([pixels(1)], "visible")
    pair = batcher.submit([pixels(2), pixels(3)], "infrared")
    assert [f.result(30)[0] for f in (*lonely, *pair)] == [1, 2, 3]
    assert model.batches == [("visible", [1]), ("infrared", [2, 3])]
    batcher.close()


def test_full_queue_takes_all_or_none():
    model = Model(held=True)
    batcher = Batcher(model, most=2, wait=0, room=4)
    first = batcher.submit([pixels(0)], "infrared")
    assert model.started.acquire(timeout=30)
    futures = batcher.submit([pixels(number) for number in (1, 2, 3)], "infrared")
    with pytest.raises(FullError):
        batcher.submit([pixels(4), pixels(5)], "infrared")
    futures += batcher.submit([pixels(6)], "infrared")
    model.release.set()
    assert [future.result(30)[0] for future in (*first, *futures)] == [0, 1, 2, 3, 6]
    batcher.close()


def test_close_finishes_what_was_accepted_and_takes_nothing_new():
    model = Model(held=True)
    batcher = Batcher(model, most=2, wait=3600)
    futures = batcher.submit([pixels(number) for number in range(5)], "infrared")
    assert model.started.acquire(timeout=30)
    closing = threading.Thread(target=batcher.close)
    closing.start()
    while not batcher._closed:
        pass
    with pytest.raises(ClosedError):
        batcher.submit([pixels(9)], "infrared")
    with pytest.raises(ClosedError):
        batcher.call(lambda: None)
    model.release.set()
    closing.join(30)
    assert [future.result(0)[0] for future in futures] == list(range(5))


def test_fault_of_the_model_is_told_to_its_batch_only():
    def embed(images: np.ndarray, modality: str) -> np.ndarray:
        if modality == "visible":
            raise RuntimeError("out of memory")
        return images[:, 0, 0, :1].astype(np.float32)

    batcher = Batcher(embed, wait=0)
    bad = batcher.submit([pixels(1)], "visible")
    good = batcher.submit([pixels(2)], "infrared")
    with pytest.raises(RuntimeError, match="out of memory"):
        bad[0].result(30)
    assert good[0].result(30)[0] == 2
    batcher.close()


def test_cancelled_images_are_not_embedded():
    model = Model(held=True)
    batcher = Batcher(model, most=4, wait=0)
    batcher.submit([pixels(0)], "infrared")
    assert model.started.acquire(timeout=30)
    futures = batcher.submit([pixels(1), pixels(2)], "infrared")
    assert futures[0].cancel()
    model.release.set()
    assert futures[1].result(30)[0] == 2
    assert model.batches[1] == ("infrared", [2])
    batcher.close()


def test_calls_run_on_the_same_thread():
    model = Model()
    batcher = Batcher(model, wait=0)
    batcher.submit([pixels(0)], "infrared")[0].result(30)
    assert {batcher.call(threading.get_ident).result(30)} == model.threads
    with pytest.raises(ZeroDivisionError):
        batcher.call(lambda: 1 // 0).result(30)
    batcher.close()
