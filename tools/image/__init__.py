"""The job image: gather what it holds, build it, push it. The Makefile's targets `image` and `push`."""
