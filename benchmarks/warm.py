"""`python -m benchmarks.warm PICTURE QUALITY THREADS`: a process that codes a picture when told to.

Prints where its flowcodec lies, then answers each line of its input, "encode" or "decode", with the
seconds that it took. Whatever flowcodec comes first on PYTHONPATH is the one that is timed, so
nothing else of this repository may be imported here.
"""

import sys
import time

import flowcodec


def main(path: str, quality: str, threads: str) -> None:
    """Serve until the input ends."""
    picture = flowcodec.read_picture(path)
    codec = flowcodec.load(threads=int(threads))
    data = codec.encode(picture, float(quality)).data
    codec.decode(data)
    calls = {
        "encode": lambda: codec.encode(picture, float(quality)),
        "decode": lambda: codec.decode(data),
    }
    print(flowcodec.__file__, flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        calls[line.strip()]()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
