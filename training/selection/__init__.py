"""Feature selection of studies 2 and 3 as scikit-learn estimators, to sit inside cross-validation.

================  =================================================================
``icc``           features that stay the same when the segmentation is repeated
``mrmr``          largest relevance, least redundancy, as the R package mRMRe
``lasso``         LASSO path with the one-standard-error rule, as the R package glmnet
``perturbation``  repeated segmentations of one mask: shrunk, grown, shifted, roughened
``recipes``       the chains of both studies, in order, with their published numbers
================  =================================================================

Standardisation is scikit-learn's ``StandardScaler`` and recursive elimination its ``RFE``: as
steps of a pipeline they are fitted on the training rows alone (docs/domain.md B5).
"""
