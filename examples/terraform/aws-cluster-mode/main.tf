# The AWS side in cluster mode: a role that one Kubernetes service account of one cluster may assume. No Google service
# account takes part; each AWS account needs one provider for each cluster.

locals {
  provider = trimprefix(var.issuer, "https://")
}

# One for a cluster and an account, however many roles trust it.
resource "aws_iam_openid_connect_provider" "cluster" {
  url            = var.issuer
  client_id_list = [var.audience]

  # Google's, as its documentation has it; AWS trusts the issuer's certificate by its public CA.
  thumbprint_list = ["08745487e891c19e3078c1f2a07e452950ef36f6"]
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
        Principal = { Federated = aws_iam_openid_connect_provider.cluster.arn }
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
