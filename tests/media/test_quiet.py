"""What Pillow says of odd files stays with us."""

import subprocess
import sys
import threading
import warnings

import pytest

from flowcodec.media.quiet import quiet


def warn(module: str) -> None:
    warnings.warn_explicit("odd", UserWarning, "file.py", 1, module=module)


def test_warnings_of_pillow_do_not_pass_and_others_do():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        with quiet():
            warn("PIL.TiffImagePlugin")
            with quiet():
                warn("PIL.Image")
            warn("PIL.Image")
            with pytest.raises(UserWarning):
                warn("somebody")
        assert warnings.filters == before
        with pytest.raises(UserWarning):
            warn("PIL.Image")


def test_threads_that_read_at_once_leave_the_filters_as_they_were():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        both = threading.Barrier(2)

        def read():
            for _ in range(50):
                with quiet():
                    both.wait()
                    warn("PIL.Image")

        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert warnings.filters == before


def test_what_pillow_logs_is_not_printed():
    code = (
        "import logging, flowcodec.media.picture;"
        "logging.getLogger('PIL.TiffImagePlugin').error('odd')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr == ""
