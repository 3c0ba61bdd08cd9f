"""What the recipes share: their flags and their fast way, how classifiers train, rows, a page."""
