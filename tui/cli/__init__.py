"""What can be typed behind `lamella`: one module a command."""

from tui.cli.main import cli, main

__all__ = ["cli", "main"]
