"""A local cloud: ministack (https://pypi.org/project/ministack/) with an AWS Batch that really runs jobs.

`python -m localcloud --help` explains how to use it. It is a development tool: stacks, constructs and runtime reach it
only through the AWS APIs.
"""

NOT_MODELLED = """\
Not modelled, so a success here proves nothing about it for a real account:

\b
- IAM: every call is allowed and job roles are not assumed; credentials only name the account.
- instances: nothing is launched, and an instance type only has to exist. A compute environment is its maxvCpus and
  nothing else. Launch failures never occur: types that a zone does not offer, network interfaces that a type does not
  have, failing user data, quotas.
- networks: security groups and routes are recorded, not enforced. Processes share this machine's network; each node of
  a multi-node job has a loopback address. A container has its own address and reaches only the local cloud and other
  containers; that includes single jobs, which share their instance's network on AWS.
- processes: the image decides entrypoint, command and environment; its layers are not unpacked. Memory, vCPUs, GPUs,
  ulimits, devices, tmpfs, user and a read-only root are not applied. A volume is reached only through variables whose
  value is its path.
- containers: each has a separate instance with this machine's cores and no GPU. Without CAP_SYS_RESOURCE, ulimits are
  capped at those of the local cloud. Host volumes are folders of the local cloud that anybody may write to; /run/hpc
  holds only the interruption notice of Spot instances. Execute-command opens nothing.
- Fargate, EKS, unmanaged compute environments, consumable resources, service jobs, quota shares, several containers
  in one task: refused, with a message that names what is missing.
- fair share weighs the running jobs only, not past usage: shareDecaySeconds and computeReservation are recorded and
  have no effect.
- capacity is never short: of the reasons for cancelling a job that blocks its queue, only the two MISCONFIGURATION
  ones that follow from max vCPUs and from Spot occur.
"""
