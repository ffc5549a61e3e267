"""Feature selection of studies 2 and 3 as scikit-learn estimators, for use in cross-validation.

================  =================================================================
``icc``           features that are stable when the segmentation is repeated
``mrmr``          maximum relevance, minimum redundancy, as in the R package mRMRe
``lasso``         LASSO path with the one-standard-error rule, as in the R package glmnet
``perturbation``  repeated segmentations of one mask: shrunk, grown, shifted, roughened
``recipes``       the selection steps of both studies, with their published numbers
================  =================================================================

``StandardScaler`` of scikit-learn standardises, and its ``RFE`` eliminates recursively. As steps of
a pipeline they are fitted on the training rows only (docs/domain.md B5).
"""
