"""Bad servers in their own process, so that their work and memory are not measured with those of the checks."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from tests.hostile.all_cases import BY_NAME
from tests.hostile.certificates import Certificates
from tests.hostile.harness import serving_case

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REPOSITORY = Path(__file__).resolve().parents[2]


@contextmanager
def served_elsewhere(names: Sequence[str], folder: Path) -> Iterator[dict[str, int]]:
    """Serve cases in another process; yields their ports.

    Args:
        names: the names of the cases.
        folder: empty; gets the authority, with its certificate in `certificates.CA_FILE`.
    """
    command = [sys.executable, "-m", "tests.hostile.server_process", str(folder), *names]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()  # which ends it
            assert process.wait(60) == 0


async def _serve(certificates: Certificates, names: Sequence[str]) -> None:
    async with AsyncExitStack() as stack:
        ports = {name: await stack.enter_async_context(serving_case(BY_NAME[name], certificates)) for name in names}
        print(json.dumps(ports), flush=True)
        # A thread would be in the way of the end.
        while await trio.lowlevel.FdStream(0).receive_some():
            pass


if __name__ == "__main__":
    trio.run(_serve, Certificates(Path(sys.argv[1])), sys.argv[2:])
