"""Job-shop problems in the standard form of the OR-Library and of Taillard's instances.

Grammar (http://people.brunel.ac.uk/~mastjjb/jeb/orlib/jobshopinfo.html); lines that begin with `#` are skipped:

    N M                  jobs, machines
    (MACHINE DURATION)*  N lines: the operations of a job in order, at most one on every machine, 0 <= MACHINE < M
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qubo_dnn.files.common.text import TextFile

MOST_JOBS, MOST_MACHINES, LONGEST = 100_000, 100_000, 10**12


@dataclass(frozen=True)
class JobShop:
    """Jobs whose operations occupy machines.

    Attributes:
        jobs: for every job, its operations in order, as (machine, duration); machines are numbered from 0.

    Example:
        >>> shop = JobShop(jobs=(((0, 3), (1, 2)), ((1, 2), (0, 4))))
        >>> shop.jobs[1][0]  # machine and duration
        (1, 2)
    """

    jobs: tuple[tuple[tuple[int, int], ...], ...]


def read_jobshop(file: TextFile | Path) -> JobShop:
    r"""Read a problem.

    Raises:
        FileFormatError: the file cannot be read or breaks the grammar; the message names file and line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "shop.jsp")
        ...     _ = path.write_text("2 2\n0 3 1 2\n1 2 0 4\n")
        ...     read_jobshop(path).jobs
        (((0, 3), (1, 2)), ((1, 2), (0, 4)))
    """
    file = file if isinstance(file, TextFile) else TextFile(file)
    rows = file.rows(comments=("#",))
    line, header = next(rows, (None, []))
    if len(header) != 2:
        raise file.error("expected the numbers of jobs and machines", line)
    count = file.integer(header[0], line, "number of jobs", 1, MOST_JOBS)
    machines = file.integer(header[1], line, "number of machines", 1, MOST_MACHINES)
    jobs = []
    for line, fields in rows:
        if len(fields) % 2:
            raise file.error("expected pairs of a machine and a duration", line)
        numbers = [file.integer(field, line, "machine or duration", 0, LONGEST) for field in fields]
        job = tuple(zip(numbers[::2], numbers[1::2], strict=True))
        used = [machine for machine, _ in job]
        if len(set(used)) < len(used) or max(used) >= machines:
            raise file.error(f"a job visits machines from 0 to {machines - 1}, each at most once", line)
        jobs.append(job)
    if len(jobs) != count:
        raise file.error(f"announces {count} jobs but has {len(jobs)}")
    return JobShop(tuple(jobs))
