"""Run work on an hpc-batch environment: `hpc` on the command line, `import hpc` in Python."""
