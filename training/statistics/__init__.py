"""Statistical methods of the four studies, one module per method, each with its source.

=====================  ===========================================================
``estimate``           a value with its interval; a comparison with its test
``sample``             checks of the input
``delong``             area under the ROC curve: variance, interval, tests
``clustered``          the same for several vertebrae of one patient (Obuchowski)
``hanley_mcneil``      the same from a published area and the two group sizes
``bootstrap``          percentile intervals, also by patient
``multiclass``         each class against the rest, and the mean of these
``proportions``        Wilson and Clopper-Pearson intervals
``confusion``          counts, sensitivity ... accuracy, weighted kappa
``cuts``               Youden's cut, found in training and then fixed
``agreement``          r, MAE, RMSE, concordance, Bland-Altman
``intraclass``         ICC(2,1) and ICC(3,1)
``calibration``        slope, intercept, Brier score, reliability curve
``decision_curve``     net benefit
``groups``             tests of published tables: ANOVA, chi-squared, standardised difference
``overlap``            Dice, Hausdorff and surface distance, volume difference
``splits``             splits by patient
``recovery``           whole counts that round to published percentages
=====================  ===========================================================

Methods of scipy, scikit-learn, statsmodels and MONAI are called, not rewritten. Own code: DeLong
and Obuchowski (the Python packages with DeLong's test are small, have one maintainer, and do not
support clusters), decision curves (six lines), the recovery of counts, and intraclass correlation
over many features at once.

A high score always means the positive class. A curve is never inverted to make its area larger.
"""
