output "email" {
  description = "For the annotation iam.gke.io/gcp-service-account of the Kubernetes service account."
  value       = google_service_account.workload.email
}

output "unique_id" {
  description = "For the AWS role's trust policy: the numeric ID, which is never given to another account."
  value       = google_service_account.workload.unique_id
}
