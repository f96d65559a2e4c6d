"""A group of commands that imports a command's module when it is needed, so that completion is quick."""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@contextmanager
def _without_rich() -> Iterator[None]:
    """Hide rich from structlog and httpx, which import it for nothing: a daemon would keep 4 MB of it."""
    hidden = {"rich", "pygments"} - sys.modules.keys()
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None, as the import system has it
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


class LazyGroup(click.Group):
    """Loads the command NAME from `watcher.cli.commands.NAME`."""

    def __init__(self, *arguments: Any, summaries: Mapping[str, str], **options: Any) -> None:
        """Set the commands.

        Args:
            arguments: see `click.Group`.
            summaries: the names in the order of the help, each with its line of help.
            options: see `click.Group`.
        """
        super().__init__(*arguments, **options)
        self.summaries = summaries

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the help."""
        del ctx
        return list(self.summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name, or None."""
        if cmd_name not in self.summaries:
            return super().get_command(ctx, cmd_name)
        if cmd_name not in self.commands:
            with _without_rich() if cmd_name == "run" else nullcontext():
                module = importlib.import_module(f"watcher.cli.commands.{cmd_name}")
            command: click.Command = getattr(module, cmd_name)
            command.short_help = self.summaries[cmd_name]
            self.add_command(command, cmd_name)
        return self.commands[cmd_name]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the arguments.

        Raises:
            click.UsageError: it does not exist; the message suggests the closest one.
        """
        name = args[0]
        if name not in self.summaries and not name.startswith("-") and not ctx.resilient_parsing:
            from watcher.config.mistakes import did_you_mean, shown

            hint = did_you_mean(name, self.summaries) or f"; known are {', '.join(self.summaries)}"
            raise click.UsageError(f"No such command {shown(name)}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of the commands."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Return the commands and options that start with the text."""
        commands = [
            CompletionItem(name, help=summary)
            for name, summary in self.summaries.items()
            if name.startswith(incomplete)
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]
