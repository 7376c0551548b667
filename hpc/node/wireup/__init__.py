"""How the nodes of a multi-node job find each other, and how MPI starts on them without ssh.

The main node listens on its own address and leaves address, port and a fresh token in the run's S3 folder, which the
job role alone can read. The others connect, both sides prove that they know the token, and the connection stays:
while it lives the node lives. `mpirun` on the main node starts its daemons through the agent, a few lines that pass
the daemon's command line to hpc-node on the main node, and that to hpc-node on the node in question.
"""
