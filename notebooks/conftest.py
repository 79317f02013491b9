"""Notebooks run as the other tests do: one thread a kernel."""

import os

os.environ.setdefault("OMP_NUM_THREADS", os.environ.get("TATS_EXP_TEST_THREADS", "1"))
