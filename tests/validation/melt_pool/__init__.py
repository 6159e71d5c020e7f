"""The melt-pool forecaster on whole windows: the test set, one measure, and every row that runs."""
