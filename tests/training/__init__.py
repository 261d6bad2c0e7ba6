"""Tests of data sets and training."""

import app.training  # noqa: F401 (before torch, which reads OMP_WAIT_POLICY when it is loaded)
