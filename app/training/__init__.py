"""Data sets, the torch model, training and evaluation. Nothing else imports torch."""
