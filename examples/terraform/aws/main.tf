# The AWS side in google mode: a role that one Google service account may assume. accounts.google.com is built into AWS:
# an IAM OIDC provider of that name must not exist.

resource "aws_iam_role" "workload" {
  name                 = var.role_name
  description          = "Assumed by pods of GKE through token-injector"
  max_session_duration = var.max_session_duration

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Federated = "accounts.google.com" }
        Action    = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          StringEquals = {
            "accounts.google.com:sub"  = var.google_service_account_unique_id
            "accounts.google.com:oaud" = var.audience
          }
        }
      }
    ]
  })
}

# An example. Write here what the application may do.
resource "aws_iam_role_policy" "read_bucket" {
  name = "read-bucket"
  role = aws_iam_role.workload.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = "arn:aws:s3:::${var.bucket}"
      },
      {
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "arn:aws:s3:::${var.bucket}/*"
      }
    ]
  })
}
