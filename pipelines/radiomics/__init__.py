"""Radiomic features of one region, as pyradiomics defines and names them, several times faster.

The way of one region::

    region.cut_region -> filters.filtered_images -> levels.discretise
        -> firstorder, cooccurrence, sizes (runs, zones, dependences), tones; shape from the mask
        -> extract.RadiomicFeatures

`extract` is the door. `engine` chooses between this code and pyradiomics, which `reference` runs
where the optional dependency is installed; ``tests`` compare every feature with it, and with the
consensus values of the IBSI digital phantom. The settings files beside this module are parameter
files of pyradiomics, so that anybody can repeat an extraction.
"""
