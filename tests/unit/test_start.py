"""What happens before anything is computed: imports, help, completion."""

import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy", "scipy", "sklearn", "skimage", "datasets", "PIL", "pyarrow", "rich")
MAIN = "import sys; sys.argv[0] = 'backburn'; from backburn.cli.main import main; main()"


def fresh(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python process of its own: this one has imported everything already."""
    return subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "start",
    [
        "import backburn",
        "from backburn.cli.main import main; sys.argv = ['backburn', '--help']; main()",
        "from backburn.cli.main import main; sys.argv = ['backburn', 'audit', '--help']; main()",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(start):
    loaded = f"[name for name in {HEAVY} if name in sys.modules]"
    done = fresh(
        "-c", f"import sys, atexit; atexit.register(lambda: print('HEAVY', {loaded})); {start}"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_all_public_names_can_be_imported():
    done = fresh(
        "-c", "from backburn import *; import backburn; [globals()[n] for n in backburn.__all__]"
    )
    assert done.returncode == 0, done.stderr


def test_the_package_runs_as_a_module():
    done = fresh("-m", "backburn", "--help")
    assert done.returncode == 0
    assert "Exit codes" in done.stdout


def test_a_command_alone_is_one_line():
    done = fresh("-m", "backburn")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "--help" in done.stderr


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("backburn rep", ["plain,repair", "plain,report"]),
        ("backburn audit --arc", ["plain,--arch"]),
    ],
)
def test_the_shell_completes_verbs_and_options(typed, offered):
    done = fresh(
        "-c",
        MAIN,
        _BACKBURN_COMPLETE="bash_complete",
        COMP_WORDS=typed,
        COMP_CWORD=str(typed.count(" ")),
    )
    assert done.stdout.split() == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_set_up(shell):
    done = fresh("-c", MAIN, _BACKBURN_COMPLETE=f"{shell}_source")
    assert done.returncode == 0
    assert "_BACKBURN_COMPLETE" in done.stdout
