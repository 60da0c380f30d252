"""The training of the texture GAN (Sec. 3.1), and what is measured of it."""
