"""`python -m benchmarks.measured COMMAND...`: run it, print its seconds and peak memory as JSON.

A process of its own and small, because a child's peak counts from its parent's size at the start.
"""

import json
import resource
import subprocess
import sys
import time


def main(command: list[str]) -> int:
    """Run the command without its output and print {"seconds", "peak_bytes", "status"}."""
    start = time.perf_counter()
    status = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    print(json.dumps({"seconds": seconds, "peak_bytes": peak * unit, "status": status}))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
