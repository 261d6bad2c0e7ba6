"""The subcommands of `bungyo`, one file each. What is slow to import they import inside functions.

Only app/main.py imports them: what others need as well is no part of the command line.
"""
