"""Tasks over a local Ray cluster: the results of a single process, also when a worker is killed in the run."""

import os
import signal

import pytest

pytest.importorskip("ray")
from xconv.distribute import spread


def test_a_killed_worker_costs_only_time(tmp_path):
    def squared(n):
        mark = tmp_path / "died"
        if n == 3 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return n * n

    assert dict(spread(squared, range(6), "auto")) == {k: k * k for k in range(6)}
    assert (tmp_path / "died").exists()
