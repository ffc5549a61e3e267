"""``python -m training.study2``: the study as published beside the virtual cohort."""

from training.study2.study import main

if __name__ == "__main__":
    main()
