"""`python -m backburn`."""

from .cli.main import main

main()
