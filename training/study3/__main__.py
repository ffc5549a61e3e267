"""``python -m training.study3``: the study as published beside the virtual cohort."""

from training.study3.study import main

if __name__ == "__main__":
    main()
