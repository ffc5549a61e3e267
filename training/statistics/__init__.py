"""Statistics of the four studies: one module per method, each with its source.

=====================  ===========================================================
``estimate``           a value with its interval; a comparison with its test
``sample``             checks of what goes in
``delong``             area under the ROC curve: variance, interval, tests
``clustered``          the same for several vertebrae of one patient (Obuchowski)
``hanley_mcneil``      the same from a published area and the two group sizes
``bootstrap``          percentile intervals, also by patient
``multiclass``         one class against the rest, and their mean
``proportions``        Wilson and Clopper-Pearson intervals
``confusion``          counts, sensitivity ... accuracy, weighted kappa
``cuts``               Youden's cut, found in training and kept
``agreement``          r, MAE, RMSE, concordance, Bland-Altman
``intraclass``         ICC(2,1) and ICC(3,1)
``calibration``        slope, intercept, Brier score, reliability curve
``decision_curve``     net benefit
``groups``             tests of published tables: ANOVA, chi-squared, standardised difference
``overlap``            Dice, Hausdorff and surface distance, volume difference
``splits``             splits by patient
``recovery``           whole counts behind rounded percentages
=====================  ===========================================================

Where scipy, scikit-learn, statsmodels or MONAI have a method it is called, not written again.
Own code: DeLong and Obuchowski (the Python packages that offer DeLong's test are small, of one
maintainer, and none knows clusters), decision curves (six lines), the recovery of counts, and
intraclass correlation over many features at once.

Scores always rise with the positive class; a curve is never turned round to make its area larger.
"""
