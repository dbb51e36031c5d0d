# What a pod's role needs to read its secrets, and no others: whatever is named below one prefix. For a policy that has the
# single names of a manifest: kubectl token-injector explain -f FILE -o policy.

resource "aws_iam_role_policy" "read_secrets" {
  name = "read-secrets"
  role = var.role_name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # DescribeSecret is for rotation alone. After the name come six characters of AWS's own.
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
        Resource = ["arn:aws:secretsmanager:${var.region}:${var.account_id}:secret:${var.prefix}/*-??????"]
      },
      {
        # It knows no resource, and answers what GetSecretValue allows. Without it secrets are read one by one.
        Effect   = "Allow"
        Action   = ["secretsmanager:BatchGetSecretValue"]
        Resource = ["*"]
      },
      {
        Effect   = "Allow"
        Action   = ["ssm:GetParameter", "ssm:GetParameters"]
        Resource = ["arn:aws:ssm:${var.region}:${var.account_id}:parameter/${var.prefix}/*"]
      },
      {
        Effect = "Allow"
        Action = ["ssm:GetParametersByPath"]
        Resource = [
          "arn:aws:ssm:${var.region}:${var.account_id}:parameter/${var.prefix}",
          "arn:aws:ssm:${var.region}:${var.account_id}:parameter/${var.prefix}/*"
        ]
      },
      {
        Effect   = "Allow"
        Action   = ["dynamodb:GetItem"]
        Resource = ["arn:aws:dynamodb:${var.region}:${var.account_id}:table/${var.table}"]
        Condition = {
          "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["${var.prefix}/*"] }
        }
      },
      {
        # Only for keys of your own: those of AWS need nothing here.
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = [var.kms_key_arn]
        Condition = {
          StringEquals = {
            "kms:ViaService" = [
              "secretsmanager.${var.region}.amazonaws.com",
              "ssm.${var.region}.amazonaws.com",
              "dynamodb.${var.region}.amazonaws.com"
            ]
          }
        }
      }
    ]
  })
}
