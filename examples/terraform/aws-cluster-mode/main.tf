# The AWS side in cluster mode: a role that one Kubernetes service account of one cluster may assume. No Google service
# account takes part. The cluster's provider is another module, because it is there once for all roles: ../aws-cluster.

locals {
  provider = split(":oidc-provider/", var.provider_arn)[1]
}

resource "aws_iam_role" "workload" {
  name                 = var.role_name
  description          = "Assumed by pods of GKE through token-injector, in cluster mode"
  max_session_duration = var.max_session_duration

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Federated = var.provider_arn }
        Action    = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          StringEquals = {
            "${local.provider}:sub" = "system:serviceaccount:${var.namespace}:${var.service_account}"
            "${local.provider}:aud" = var.audience
          }
        }
      }
    ]
  })
}
