"""``python -m training.study1``: the study as published beside the virtual cohort."""

from training.study1.study import main

if __name__ == "__main__":
    main()
