"""Commands of the virtual cohort."""
