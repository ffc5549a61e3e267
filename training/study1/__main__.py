"""``python -m training.study1``: published results beside those on the virtual cohort."""

from training.study1.study import main

if __name__ == "__main__":
    main()
