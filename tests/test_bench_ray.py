"""Tasks over a local Ray cluster: the results of a single process, also when a worker is killed in the run."""

import fcntl
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("ray")
from xconv import distribute
from xconv.bench import session, suite
from xconv.bench.contenders import CONTENDERS
from xconv.bench.work import begin
from xconv.block import block
from xconv.parity.engines import Workers

METHOD = suite.Method(turns=2, seconds=0.01, patience=0.1, ceiling_seconds=0.01)
TASKS = [suite.Task("conv", case, "cpu", "float32", False) for case in block("conv").cases[:4]]
PLAN = session.Plan(TASKS, [CONTENDERS["torch"]], METHOD, "", False, True, ("cpu",))
KNOWN = ("block", "case", "contender", "check", "error", "allowed", "multiply_adds", "bytes", "reason")


def test_a_killed_worker_costs_only_time(tmp_path):
    def rows_of(task):
        mark = tmp_path / "died"
        if task.case == TASKS[2].case and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return distribute._bench_rows(PLAN, task)

    found = dict(distribute.spread(rows_of, TASKS, "auto", whole_node=True))
    assert (tmp_path / "died").exists()
    with Workers(1, begin) as workers:
        alone = [list(suite.rows_of(task, PLAN.contenders, workers.ask, METHOD, {})) for task in TASKS]
    assert sorted(found) == list(range(len(TASKS)))
    for k, expected in enumerate(alone):
        assert [[getattr(row, name) for name in KNOWN] for row in found[k]] == [
            [getattr(row, name) for name in KNOWN] for row in expected
        ]
        assert all(row.turns and row.share and row.check == "agree" for row in found[k])
        assert [replace(row, node="") != row for row in found[k]] == [True]  # rows tell where they were timed


def test_a_machine_times_one_thing_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(distribute.tempfile, "gettempdir", lambda: str(tmp_path))
    at_once = fcntl.LOCK_EX | fcntl.LOCK_NB
    with distribute._alone():
        lock = next(Path(tmp_path).iterdir())
        with lock.open("w") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, at_once)
    with lock.open("w") as other:
        fcntl.flock(other, at_once)


class Ray:
    """Stands for Ray: has nodes of so many processors, and remembers what each task asked for."""

    def __init__(self, *processors):
        self.processors, self.asked, self.done = processors, [], []

    def is_initialized(self):
        return True

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": n} if n else {}} for n in (*self.processors, 0)]

    def remote(self, **words):
        return lambda _: Task(self, words)

    def wait(self, waiting, num_returns):
        return waiting[:1], waiting[1:]

    def get(self, task):
        return self.done[task]


class Task:
    def __init__(self, ray, words):
        self.ray, self.words = ray, words

    def options(self, **words):
        self.ray.asked.append({**self.words, **words})
        return self

    def remote(self, work, item):
        self.ray.done.append(work(item))
        return len(self.ray.done) - 1


def test_a_timing_takes_a_whole_node_and_a_gpu_only_where_it_needs_one(monkeypatch):
    ray = Ray(16, 2)
    monkeypatch.setattr(distribute, "need", lambda *_: ray)
    assert dict(distribute.spread(str, ["a", "b"], "auto", [0, 1], whole_node=True)) == {0: "a", 1: "b"}
    assert ray.asked == [{"max_retries": -1, "num_cpus": 2, "num_gpus": n} for n in (0, 1)]
    ray.asked.clear()
    assert dict(distribute.spread(str, ["a"], "auto")) == {0: "a"}
    assert ray.asked == [{"max_retries": -1, "num_cpus": 1, "num_gpus": 0}]
