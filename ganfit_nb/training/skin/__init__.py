"""UV maps of skin: layout, painting, resampling, the corpus, and its linear model (Eq. 1)."""
