"""Training of the texture GAN (Sec. 3.1), and measures of what it draws. docs/texture_gan.md shows the parts."""
