"""CDK feature flags that this library is written for.

The CDK takes a flag from the nearest scope that has it. So the library sets its flags itself, on its stacks and on the
constructs that need one: they work in any app, whatever its cdk.json says.
"""

from __future__ import annotations

from types import MappingProxyType

from constructs import IConstruct

FLAGS = MappingProxyType(
    {
        "@aws-cdk/core:defaultCrossStackReferences": "strong",
        "@aws-cdk/core:enablePartitionLiterals": True,
        "@aws-cdk/core:checkSecretUsage": True,
        "@aws-cdk/core:validateSnapshotRemovalPolicy": True,
        "@aws-cdk/aws-iam:minimizePolicies": True,
        "@aws-cdk/aws-iam:standardizedServicePrincipals": True,
        "@aws-cdk/aws-s3:createDefaultLoggingPolicy": True,
        "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,
        "@aws-cdk/aws-ec2:restrictDefaultSecurityGroup": False,
    }
)


def set_flags(scope: IConstruct) -> None:
    """Set the flags for an app, a stack or a construct, and for everything below it.

    Raises:
        ValueError: there is something below it already, which would have been made without them.
    """
    try:
        for flag, value in FLAGS.items():
            scope.node.set_context(flag, value)
    except RuntimeError:
        below = ", ".join(child.node.id for child in scope.node.children)
        raise ValueError(
            f"'{scope.node.path or 'app'}' has constructs already: {below}; fix: call set_flags() before the first one"
        ) from None
