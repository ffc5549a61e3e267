"""``python -m training.study2``: published results beside those on the virtual cohort."""

from training.study2.study import main

if __name__ == "__main__":
    main()
