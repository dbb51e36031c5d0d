# The Google side: an identity for the pods of one Kubernetes service account. It needs no key and no role in the project.

resource "google_service_account" "workload" {
  project      = var.project
  account_id   = var.name
  display_name = "Pods of ${var.namespace}/${var.service_account}, for AWS"
}

resource "google_service_account_iam_member" "workload_identity" {
  service_account_id = google_service_account.workload.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${coalesce(var.cluster_project, var.project)}.svc.id.goog[${var.namespace}/${var.service_account}]"
}
