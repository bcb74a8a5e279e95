"""Where one machine is not enough: parity and benchmark tasks over a Ray cluster.

Tasks go out whole, each to one worker process of Ray, which keeps engines of its own; rows come back as tasks end. A
Ray worker or a node that dies costs the time of the tasks it was at: Ray gives them to another. The rows are those of a
single machine, since every number in a task depends on the task alone.

`address` is "auto" (the cluster that RAY_ADDRESS or this machine knows, or a new one on this machine's cores) or a
cluster's address; there, xconv is installed on every node.
"""

import os
import socket
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import XconvError, need
from .parity import engines as e
from .parity.checks import Row

if TYPE_CHECKING:
    from .bench.figures import Ceiling
    from .bench.session import Plan


def spread(
    work: Callable[[Any], Any], items: Sequence[Any], address: str, gpus: Sequence[int] = (), whole_node: bool = False
) -> Iterator[tuple[int, Any]]:
    """(index, work(item)) of every item, in the order in which they end.

    Args:
        work: a function of a module, or a partial of one.
        items: what it is called with.
        address: see above.
        gpus: how many each item needs, if not none; Ray hides the others.
        whole_node: an item takes all processors of the smallest node.

    Raises:
        MissingExtra: without ray.
        XconvError: if there is no cluster at the address.
        Exception: what `work` raised.
    """
    ray = need("ray", "ray")
    ours = not ray.is_initialized()
    if ours:
        _join(ray, address)
    try:
        processors = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
        cores = min(filter(None, processors), default=1)  # a head may have none to give
        task = ray.remote(max_retries=-1, num_cpus=cores if whole_node else 1)(_answer)
        waiting = {
            task.options(num_gpus=n).remote(work, item): k
            for k, (item, n) in enumerate(zip(items, gpus or [0] * len(items), strict=True))
        }
        while waiting:
            done, _ = ray.wait(list(waiting), num_returns=1)
            yield waiting.pop(done[0]), ray.get(done[0])
    finally:
        if ours:
            ray.shutdown()


def _answer(work: Callable[[Any], Any], item: Any) -> Any:
    return work(item)


def reachable(address: str) -> None:
    """See that Ray is installed and something answers at the address; Ray itself would try for minutes.

    Raises:
        MissingExtra: without ray.
        XconvError: if it is no address, or nothing answers.
    """
    need("ray", "ray")
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise XconvError(f"--ray {address!r} must be auto, or a cluster's address as host:port")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise XconvError(f"no Ray cluster answers at {address}: {error}") from error


def _join(ray: Any, address: str) -> None:
    reachable(address)
    quiet = {"log_to_driver": False, "logging_level": "error", "include_dashboard": False}
    if address == "auto":
        try:
            ray.init(address="auto", **{k: v for k, v in quiet.items() if k != "include_dashboard"})
        except ConnectionError:
            ray.init(**quiet)
        return
    try:
        ray.init(address=address, **{k: v for k, v in quiet.items() if k != "include_dashboard"})
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise XconvError(f"no Ray cluster answers at {address}: {str(error).splitlines()[0]}") from error


@cache
def _workers(threads: int, timed: bool) -> e.Workers:
    """The engines of this Ray worker, started once."""
    from .bench.work import begin as pinned

    return e.Workers(threads, pinned if timed else e._begin)


def parity(todo: Sequence[Any], engines: Sequence[e.Engine], address: str) -> Iterator[list[Row]]:
    """What parity.suite.run gives, over a cluster."""
    for _, rows in spread(partial(_parity_rows, tuple(engines)), todo, address):
        yield rows


def _parity_rows(engines: tuple[e.Engine, ...], task: Any) -> list[Row]:
    from .parity import suite

    return list(suite.rows_of(task, engines, _workers(1, False).ask))


def bench_rows(plan: "Plan", address: str) -> Generator[tuple[Any, list], None, None]:
    """(task, rows) of a benchmark, one task at a time on each node; rows carry the node, and shares of its ceilings."""
    gpus = [int(task.device == "cuda") for task in plan.tasks]
    for k, rows in spread(partial(_bench_rows, plan), plan.tasks, address, gpus, whole_node=True):
        yield plan.tasks[k], rows


_node_ceilings: "dict[tuple[str, str], Ceiling]" = {}


def _bench_rows(plan: "Plan", task: Any) -> list:
    from .bench import suite
    from .bench.machine import on_this_node

    ask = _workers(plan.method.threads, True).ask
    with _alone():
        if (task.device, task.dtype) not in _node_ceilings:
            _node_ceilings.update(suite.machine_ceilings([task], ask, plan.method))
        return on_this_node(list(suite.rows_of(task, plan.contenders, ask, plan.method, _node_ceilings, plan.stock)))


@contextmanager
def _alone() -> Iterator[None]:
    """Nothing else is timed on this machine meanwhile, though a large node is given several sizes at once.

    The lock goes with the process that holds it, however it ends.
    """
    import fcntl

    with open(Path(tempfile.gettempdir(), f"xconv-bench-{os.getuid()}.lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
