"""The job image: gather its content, build it, push it (`make image`, `make push`)."""
