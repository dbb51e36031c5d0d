# Once for a private cluster whose webhook listens on a port that the control plane may not reach: nodes are reached on
# 443 and 10250 only. With port 10250 this module is not needed.

resource "google_compute_firewall" "webhook" {
  project       = var.project
  name          = "token-injector-webhook-${var.cluster}"
  description   = "The control plane calls the admission webhook token-injector"
  network       = var.network
  direction     = "INGRESS"
  source_ranges = [var.control_plane_cidr]
  target_tags   = [var.node_tag]

  allow {
    protocol = "tcp"
    ports    = [tostring(var.port)]
  }
}
