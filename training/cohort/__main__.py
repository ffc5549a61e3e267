"""Run the command line of the virtual cohort: ``python -m training.cohort``."""

from training.cohort.cli.app import main

if __name__ == "__main__":
    main()
