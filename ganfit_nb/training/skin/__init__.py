"""UV maps of skin: layout, painting, resampling, the corpus, and the linear model of it (Eq. 1)."""
