"""Radiomic features of one region, as pyradiomics defines and names them, several times faster.

Steps for one region::

    region.cut_region -> filters.filtered_images -> levels.discretise
        -> firstorder, cooccurrence, sizes (runs, zones, dependences), tones; shape from the mask
        -> extract.RadiomicFeatures

`extract` is the entry point. `pipelines.contract.feature_engine` chooses between this code and
pyradiomics, which `reference` runs where the optional dependency is installed. The tests compare
every feature with pyradiomics, and with the consensus values of the IBSI digital phantom. The
settings files in this folder are parameter files of pyradiomics, which can repeat an extraction.
"""
