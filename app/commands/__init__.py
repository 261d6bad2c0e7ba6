"""The subcommands of `bungyo`, one file each. What is slow to import they import inside functions."""
