"""Run the command line as ``python -m pictor.cli``."""

from pictor.cli.main import main

main()
