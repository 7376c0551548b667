"""Resource types that ministack's CloudFormation lacks. Each calls the API that a client would use, so a deployment
refuses whatever the API refuses."""
