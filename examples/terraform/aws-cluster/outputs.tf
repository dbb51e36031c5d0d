output "provider_arn" {
  description = "For each role of this account that pods of this cluster assume: the variable provider_arn of ../aws-cluster-mode."
  value       = aws_iam_openid_connect_provider.cluster.arn
}
