"""Resource types that ministack's CloudFormation lacks. Each goes through the API that a client would use, so what the
API refuses, the deployment refuses too."""
