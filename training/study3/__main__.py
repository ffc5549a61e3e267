"""``python -m training.study3``: published results beside those on the virtual cohort."""

from training.study3.study import main

if __name__ == "__main__":
    main()
