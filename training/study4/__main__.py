"""``python -m training.study4``: published results beside those on the virtual cohort."""

from training.study4.study import main

if __name__ == "__main__":
    main()
