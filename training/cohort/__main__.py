"""``python -m training.cohort``."""

from training.cohort.cli import main

if __name__ == "__main__":
    main()
