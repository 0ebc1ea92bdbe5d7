"""`backburn`: the group of commands, and the conversion of errors to lines and exit codes."""

import contextlib
import importlib
import io
import os
import sys
import warnings

import click

VERBS = (
    "demo", "attack", "audit", "repair", "export", "figures", "report", "serve", "ls", "bench",
    "doctor",
)  # fmt: skip
BAD_INPUT = 2
MIN_ADDRESS_SPACE = 5 * 2**28
"""Bytes of address space without which torch does not start, or its libraries hang."""
EXIT_CODES = {"clean": 0, "backdoored": 3, "suspicious": 4, "abstained": 5}


class LazyGroup(click.Group):
    """A group that imports a command only when it is used; `--help` never imports torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"backburn.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] == "help":  # of one command, or of the group
            command = self.get_command(ctx, args[1]) if len(args) > 1 else None
            shown = ctx if command is None else click.Context(command, ctx, command.name)
            click.echo(shown.get_help())
            ctx.exit()
        if args[0] not in VERBS:
            from ..errors import unknown_name

            raise unknown_name("command", args[0], VERBS)
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    no_args_is_help=False,  # one line, as for any missing argument
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="backburn")
def cli() -> None:
    """Find and remove backdoors from image classifiers.

    \b
    Exit codes: 0 clean or repaired, 3 backdoored (audit), 4 suspicious, 5 abstained,
    2 bad input.
    """
    import resource

    from ..errors import BackburnError

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if 0 <= limit < MIN_ADDRESS_SPACE:  # torch would abort without a useful message
        raise BackburnError(
            f"a process may have {limit >> 20} MiB here: give it {MIN_ADDRESS_SPACE >> 20} or more "
            "(ulimit -v)"
        )


def main() -> None:
    """The entry point: exit code 2 for bad input, 130 for Ctrl-C, 143 for SIGTERM."""
    # on small machines, spinning OpenMP threads slow each other down several times
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from ..config import SettingsListedError
    from ..errors import BackburnError, system_line
    from ..models.out_of_memory import is_out_of_memory
    from .signals import StoppedError, stoppable

    warnings.showwarning = _warn
    if isinstance(sys.stdout, io.TextIOWrapper):  # escape what it cannot encode
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with stoppable():
            code = cli.main(standalone_mode=False) or 0
        if sys.stdout is not None:  # else a full disk gives a traceback at exit
            sys.stdout.flush()
        sys.exit(code)
    except SettingsListedError as listed:
        click.echo(listed.toml, nl=False)
        sys.exit(0)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "backburn"
        _fail(f"{error.format_message().rstrip('.')}: see {command} --help")
    except click.ClickException as error:
        _fail(error.format_message())
    except BackburnError as error:
        _fail(str(error))
    except BrokenPipeError:  # the reader of the output has ended, as `head` does
        _drop_output()
        sys.exit(1)
    except OSError as error:
        _drop_output()
        _fail(system_line(error))
    except (MemoryError, RuntimeError, ImportError) as error:
        if not is_out_of_memory(error):
            raise
        _fail("memory does not suffice: take fewer or smaller images (--max-images, --size)")
    except StoppedError as stopped:
        with contextlib.suppress(OSError):  # the terminal may be gone
            _say(f"stopped; {stopped.advice}" if stopped.advice else "stopped")
        sys.exit(stopped.code)


def _drop_output() -> None:
    """Discard buffered output, which Python would fail to write at exit."""
    with contextlib.suppress(OSError, ValueError):  # stdout may be no real file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    _say(str(message))


def _fail(message: str) -> None:
    _say(message)
    sys.exit(BAD_INPUT)


def _say(message: str) -> None:
    """Print one line to stderr, with unprintable characters of untrusted files escaped."""
    from ..errors import printable

    click.echo(f"backburn: {printable(message)}", err=True)
