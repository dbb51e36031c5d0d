variable "project" {
  description = "The Google Cloud project of the cluster's network."
  type        = string
}

variable "cluster" {
  description = "The cluster's name, a part of the rule's: two clusters of a project have a rule each."
  type        = string
}

variable "network" {
  description = "The network of the cluster."
  type        = string
}

variable "control_plane_cidr" {
  description = "The control plane's CIDR block."
  type        = string
}

variable "node_tag" {
  description = "The network tag of the nodes, which the cluster's other firewall rules name."
  type        = string
}

variable "port" {
  description = "The webhook's port: the chart's value webhook.port."
  type        = number
  default     = 8443
}
