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

# A private cluster's control plane reaches its nodes on 443 and 10250 only.
resource "google_compute_firewall" "webhook" {
  count = var.private_cluster == null ? 0 : 1

  project       = coalesce(var.cluster_project, var.project)
  name          = "token-injector-webhook"
  description   = "The control plane calls the admission webhook token-injector"
  network       = var.private_cluster.network
  direction     = "INGRESS"
  source_ranges = [var.private_cluster.control_plane_cidr]
  target_tags   = [var.private_cluster.node_tag]

  allow {
    protocol = "tcp"
    ports    = [tostring(var.private_cluster.port)]
  }
}
