"""Ends its own process as a library does that reads past its memory: ``python -m tests.fakes.crashing_module``."""

import os
import resource
import signal

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), signal.SIGSEGV)
