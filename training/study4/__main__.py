"""``python -m training.study4``: the study as published beside the virtual cohort."""

from training.study4.study import main

if __name__ == "__main__":
    main()
