"""What `bungyo bench` measures: parts in processes of their own, asked in turn so that all see the same machine.

Imports nothing of app/commands.
"""
