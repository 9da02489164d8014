"""Workers killed, the network cut, the disk full, and the run itself killed: what every run ends with."""

from __future__ import annotations

import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from bench.cluster.run import JOB, command, digest, finished, half_written, run
from qubo_dnn.cluster.dask_cluster import connected
from qubo_dnn.errors import BackendFailedError, OutputError

_PAGE = 4096


def _expect(condition: bool, fault: str) -> None:
    if not condition:
        raise BackendFailedError(fault)


@contextmanager
def folders() -> Iterator[Path]:
    """A folder for runs, which is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="qubo-dnn-cluster-") as name:
        yield Path(name)


def reference(job: Sequence[str], folder: Path) -> tuple[str, float]:
    """Hash and seconds of an undisturbed run without workers."""
    (folder / "reference").mkdir()
    ended = finished(command(job, folder / "reference"))
    return digest(folder / "reference"), ended.seconds


def numbers_of_workers(counts: Sequence[int], job: Sequence[str] = JOB) -> dict[str, Any]:
    """Run with several numbers of workers, undisturbed.

    Returns:
        Numbers of runs, and of those with another result, which is 0.
    """
    with folders() as folder:
        alone, _ = reference(job, folder)
        for count in counts:
            own = folder / str(count)
            own.mkdir()
            finished(command(job, own, "--cluster", f"local:{count}"))
            _expect(digest(own) == alone, f"the run with {count} workers differs")
    what = f"nothing: {', '.join(map(str, counts))} workers"
    return {"what": what, "runs": len(counts), "disturbed": 0, "different": 0}


def workers_killed(runs: int, seed: int, job: Sequence[str] = JOB) -> dict[str, Any]:
    """Kill one of two workers at a random time of every run; runs that end before do not count.

    Returns:
        Numbers of runs, of workers killed, and of runs with another result, which is 0.
    """
    rng, killed = random.Random(seed), 0

    def kill(process: subprocess.Popen[str]) -> None:
        nonlocal killed
        time.sleep(rng.uniform(0.0, 1.0) * seconds)
        while process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                children = psutil.Process(process.pid).children(recursive=True)
                # The other child of the interpreter keeps books about semaphores.
                workers = [each for each in children if any("spawn_main" in word for word in each.cmdline())]
                if workers:
                    rng.choice(workers).kill()
                    killed += 1
                    return
            time.sleep(0.05)

    with folders() as folder:
        alone, _ = reference(job, folder)
        (folder / "undisturbed").mkdir()
        seconds = finished(command(job, folder / "undisturbed", "--cluster", "local:2")).seconds
        number = 0
        while killed < runs:
            own = folder / str(number)
            own.mkdir()
            finished(command(job, own, "--cluster", "local:2"), kill)
            _expect(digest(own) == alone, f"run {number} differs")
            number += 1
    return {"what": "a worker is killed", "runs": number, "disturbed": killed, "different": 0}


def runs_killed(runs: int, seed: int, job: Sequence[str] = JOB) -> dict[str, Any]:
    """Kill a run at a random time, with all that it has started, and start it again until it is finished.

    Returns:
        Numbers of kills, of runs that were finished, and of half-written files, which is 0.
    """
    rng, kills, ends = random.Random(seed), 0, 0
    with folders() as folder:
        alone, seconds = reference(job, folder)
        own = folder / "killed"
        own.mkdir()

        def kill(process: subprocess.Popen[str]) -> None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0.0, 1.2) * seconds)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)

        while kills < runs:
            ended = run(command(job, own), kill)
            _expect(not half_written(own), f"half written: {half_written(own)}")
            if ended.code == -signal.SIGKILL:
                kills += 1
                # It may have been killed after it had written everything.
                if not (own / "out").exists():
                    continue
                ended = replace(ended, code=0)
            _expect(ended.code == 0, f"a run that was killed before ended with {ended.code}: {ended.said}")
            _expect(digest(own) == alone, "a run that was killed before differs")
            ends += 1
            shutil.rmtree(own)
            own.mkdir()
        if ended.code:
            finished(command(job, own))
            _expect(digest(own) == alone, "a run that was killed before differs")
            ends += 1
    return {"what": "the run is killed", "runs": ends, "disturbed": kills, "different": 0}


@contextmanager
def _small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of some bytes; takes the rights of root."""
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        raise OutputError(f"no small file system can be mounted: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def disk_full(runs: int, job: Sequence[str] = JOB) -> dict[str, Any]:
    """Run on file systems of all sizes from too small to large enough, one after the other, then again with room.

    Returns:
        Numbers of runs, of those that the disk was too small for, and of half-written files, which is 0.
    """
    with folders() as folder:
        alone, _ = reference(job, folder)
        taken = sum(each.stat().st_size for each in (folder / "reference").rglob("*") if each.is_file())
        # Measurements are there twice while one is replaced by the next.
        most = 2 * taken // _PAGE + 8
        full = 0
        for number in range(runs):
            size = _PAGE * max(1, most * (number + 1) // runs)
            with _small_disk(folder / "disk", size) as disk:
                ended = run(command(job, disk))
                _expect(not half_written(disk), f"half written on {size} bytes: {half_written(disk)}")
                if ended.code:
                    full += 1
                    said = ended.said.strip().splitlines()[-1]
                    _expect(ended.code == OutputError.exit_code, f"ended with {ended.code} on {size} bytes: {said}")
                    _expect("No space left on device" in said, f"on {size} bytes: {said}")
                    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
                    finished(command(job, disk))
                _expect(digest(disk) == alone, f"a run on {size} bytes differs")
    return {"what": "the disk is full", "runs": runs, "disturbed": full, "different": 0}


class DroppingProxy:
    """Forwards connections to a port of this machine, and can drop all of them.

    Args:
        port: the port.
    """

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def drop(self) -> int:
        """Cut all connections; returns their number."""
        dropped, self._open = self._open, []
        for each in dropped:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        return len(dropped) // 2

    def close(self) -> None:
        """End the proxy."""
        self._listening.close()
        self.drop()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(self._target)
                self._open += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def network_cut(runs: int, seed: int, job: Sequence[str] = JOB) -> dict[str, Any]:
    """Drop the connections between a run and its scheduler at a random time of every run.

    Returns:
        Numbers of runs, of connections dropped, and of runs with another result, which is 0.
    """
    rng, dropped = random.Random(seed), 0
    with folders() as folder, connected("local:2") as cluster:
        assert cluster is not None
        alone, seconds = reference(job, folder)
        proxy = DroppingProxy(int(cluster.client.scheduler.address.rpartition(":")[2]))

        def cut(_: subprocess.Popen[str]) -> None:
            nonlocal dropped
            time.sleep(rng.uniform(0.0, 1.0) * seconds)
            dropped += proxy.drop()

        for number in range(runs):
            own = folder / str(number)
            own.mkdir()
            finished(command(job, own, "--cluster", f"tcp://127.0.0.1:{proxy.port}"), cut)
            _expect(digest(own) == alone, f"run {number} differs")
        proxy.close()
    return {"what": "the network is cut", "runs": runs, "disturbed": dropped, "different": 0}
