"""Known mistakes in what training needs: losses, optimizers, scores."""
