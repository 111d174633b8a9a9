"""Help whose options stand in sections."""

from collections.abc import Mapping, Sequence
from typing import Any

import click


class SectionedCommand(click.Command):
    """A command whose help lists its options in sections.

    Args:
        sections: headings and the names of their parameters; the others come last.
    """

    def __init__(self, *args: Any, sections: Mapping[str, Sequence[str]], **more: Any) -> None:
        super().__init__(*args, **more)
        self.sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section."""
        left = {
            str(parameter.name): record
            for parameter in self.get_params(ctx)
            if isinstance(parameter, click.Option)
            and (record := parameter.get_help_record(ctx)) is not None
        }
        parts = {
            heading: [left.pop(name) for name in names if name in left]
            for heading, names in self.sections.items()
        }
        for heading, records in (*parts.items(), ("Options", list(left.values()))):
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)
