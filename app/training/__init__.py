"""Data sets, the torch model, training and evaluation. Nothing else imports torch."""

import os

# torch's OpenMP threads otherwise spin while they wait for each other. The layers here are so small that they
# wait every fraction of a millisecond: with any other load on the machine a training step then takes 10 to 20
# times as long (measured: 55 ms against 3 ms). Read when torch is loaded, hence here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
