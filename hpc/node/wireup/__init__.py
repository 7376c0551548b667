"""Wire-up of a multi-node job: rendezvous of the nodes, and start of MPI on them without ssh.

The main node listens on its address and writes address, port and a new token to the run's prefix in S3, which only the
job role can read. The other nodes connect, both sides prove that they know the token, and the connection stays open: a
node counts as alive while its connection does. `mpirun` on the main node starts its daemons through the launch agent,
which passes the daemon's command line to hpc-node on the main node; that passes it to hpc-node on the daemon's node.
"""
