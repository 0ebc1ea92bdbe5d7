"""The page of commands is what `--help` says of each."""

import click
from mkdocs.structure.pages import Page

from backburn.cli.main import cli

PAGE = "api/commands.md"


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """The page, and below it a section for each verb."""
    if page.file.src_uri != PAGE:
        return markdown
    top = click.Context(cli, info_name="backburn")
    return "\n\n".join([markdown, *(_section(name, top) for name in cli.list_commands(top))])


def _section(name: str, top: click.Context) -> str:
    verb = cli.get_command(top, name)
    if verb is None:
        raise RuntimeError(f"{name} is listed, but is no command")
    context = click.Context(verb, info_name=name, parent=top, max_content_width=100)
    return f"## {name}\n\n```text\n{verb.get_help(context)}\n```"
