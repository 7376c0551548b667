"""A local cloud: ministack (https://pypi.org/project/ministack/) with an AWS Batch that really runs jobs.

`python -m localcloud --help` explains how to use it. It is a development tool: the stacks, the constructs and the
runtime know it only through the AWS APIs.
"""

NOT_MODELLED = """\
Not modelled, and so never a proof for a real account:

\b
- IAM: every call is allowed, and a job's role is not assumed; credentials name the account only.
- instances: nothing is launched, and of an instance type no more is known than that it exists. A compute environment
  is its maxvCpus, so a job is measured against maxvCpus alone. What shows only when an instance is launched never
  shows: types that a zone does not offer, network interfaces that a type does not have, user data that fails, quotas.
- networks: security groups and routes are recorded, not enforced. Processes share the network of this machine, nodes of
  multi-node jobs with a loopback address each. A container reaches the local cloud and the other containers alone, at
  an address of its own, single jobs too, which share their instance's network on AWS.
- processes: the image decides entrypoint, command and environment; its layers are not unpacked. Memory, vCPUs, GPUs,
  ulimits, devices, tmpfs, user and a read-only root are not applied. Only variables whose value is the path of a
  volume lead to it.
- containers: each has an instance of its own, of this machine's cores, without GPUs. Without CAP_SYS_RESOURCE ulimits
  end at our own. Anybody may write to a volume of the host, which is a folder of the local cloud; /run/hpc holds the
  notice of a reclaimed Spot instance alone. Execute-command opens nothing.
- Fargate, EKS, unmanaged compute environments, consumable resources, service jobs, quota shares, several containers
  in one task: refused, with a message that names what is missing.
- fair share knows the share of the jobs that run now, by weight, not the past: shareDecaySeconds and
  computeReservation are recorded and change nothing.
- capacity is never short: of the reasons for which a job that blocks its queue is cancelled after a time, only the
  two MISCONFIGURATION ones that follow from max vCPUs and from Spot occur.
"""
