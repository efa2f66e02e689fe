"""A gallery that a killed process has changed at random, and what has to be in it afterwards."""

import json
import os
import random
import signal
import time
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import numpy as np

from fprnet.gallery.gallery import Gallery
from gallery_cases import kept, record, vectors

MOST = 6  # changes that a writer makes before it is killed in the next one, about
LONGEST = 0.06  # seconds until then, at most
OLD = datetime.now(UTC) - timedelta(days=400)


@contextmanager
def child(work):
    """Run ``work(say)`` in a process of its own; yields its id and the file of what it says."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        status = 1
        try:
            work(lambda *words: os.write(writing, json.dumps(words).encode() + b"\n"))
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        try:
            yield process, said
        finally:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def said_before_the_end(said):
    return [json.loads(line) for line in said if line.endswith(b"\n")]


def changes(seed, numbers):
    """Random changes of a gallery that holds some numbers, without an end."""
    generator = random.Random(seed)
    there, last = sorted(numbers), max(numbers, default=0)
    while True:
        some = generator.sample(there, min(len(there), generator.randint(1, 3)))
        kind = generator.choice(("add", "add", "hide", "correct", "erase", "expire"))
        if kind == "add" or not some:
            kind, some = "add", [last + 1 + n for n in range(generator.randint(1, 5))]
            there, last = there + some, some[-1]
        elif kind == "erase":
            there = [number for number in there if number not in some]
        elif kind == "expire":
            some = [number for number in there if number % 7 == 0]
            there = [number for number in there if number % 7]
        yield kind, some, generator.randrange(100)


def time_of(number):
    return OLD if number % 7 == 0 else None


def apply_to_gallery(gallery, kind, some, value):
    ids = [record(number).id for number in some]
    if kind == "add":
        embeddings = np.concatenate([vectors(1, seed=number) for number in some])
        gallery.add(embeddings, [record(n, camera=value, time=time_of(n)) for n in some])
    elif kind == "hide":
        gallery.remove(ids)
    elif kind == "correct":
        gallery.correct(ids[0], {"camera": value, "identity": f"somebody {value}"})
    elif kind == "erase":
        gallery.erase(ids)
    else:
        gallery.expire("clerk", "command line")


def apply_to_model(model, kind, some, value):
    """Number -> camera, whether it is hidden."""
    model = dict(model)
    if kind == "add":
        model |= {number: (str(value), False) for number in some}
    elif kind == "hide":
        model |= {number: (model[number][0], True) for number in some}
    elif kind == "correct":
        model[some[0]] = (str(value), model[some[0]][1])
    else:
        for number in some:
            del model[number]
    return model


def state_of(gallery, numbers):
    ids = {record(number).id: number for number in numbers}
    known = sorted(gallery.known(ids))
    hidden = gallery.hidden(known)
    for id, embedding in zip(known, gallery.embeddings(known), strict=True):
        np.testing.assert_array_equal(embedding, kept(vectors(1, seed=ids[id]))[0])
    return {ids[one.id]: (one.camera, one.id in hidden) for one in gallery.get(known)}


class KilledWriters:
    """Writers of one gallery that are killed, one after the other, and what has to be in it.

    ``killed_at`` counts what each was doing; ``acknowledged`` counts changes that had returned.
    """

    def __init__(self, uri, name="gallery"):
        self.uri, self.name = uri, name
        self.model, self.ever = {}, set()
        self.killed_at, self.acknowledged = Counter(), 0

    def open(self):
        return Gallery.open(self.uri, name=self.name, writable=True)

    def kill_one(self, seed, moments):
        """Let a writer make a few changes, kill it in the next one, and check what it left."""

        def write(say):
            with self.open() as gallery:
                for kind, some, value in changes(seed, self.model):
                    say("begin", kind, some, value)
                    apply_to_gallery(gallery, kind, some, value)
                    say("done")

        with child(write) as (process, said):
            began = time.monotonic()
            lines = [said.readline() for _ in range(2 * moments.randint(0, MOST) + 1)]
            time.sleep(moments.random() * min(time.monotonic() - began, LONGEST))
            os.kill(process, signal.SIGKILL)
            words = [*map(json.loads, lines), *said_before_the_end(said)]
        under_way = None
        for word in words:
            if word[0] == "begin":
                under_way = word[1:]
                self.ever |= set(under_way[1])
            else:
                self.model, under_way = apply_to_model(self.model, *under_way), None
                self.acknowledged += 1
        with self.open() as gallery:
            found = state_of(gallery, self.ever)
            assert len(gallery.search(vectors(1), top=1000).matches[0]) == len(gallery)
        if under_way is not None:
            self.killed_at[under_way[0]] += 1
            if found != self.model:
                self.model = apply_to_model(self.model, *under_way)
        assert found == self.model

    @property
    def erased(self):
        """Numbers of records that were there and may be nowhere now."""
        return self.ever - set(self.model)
