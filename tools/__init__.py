"""What a platform engineer runs by hand, through the Makefile."""
