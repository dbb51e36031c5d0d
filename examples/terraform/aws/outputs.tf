output "role_arn" {
  description = "For the annotation amazonaws.com/role-arn of the Kubernetes service account."
  value       = aws_iam_role.workload.arn
}

output "role_name" {
  description = "For ../aws-secrets, which lets the role read secrets."
  value       = aws_iam_role.workload.name
}
