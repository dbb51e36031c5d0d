variable "project" {
  description = "The Google Cloud project of the Google service account."
  type        = string
}

variable "cluster_project" {
  description = "The project of the GKE cluster, whose Workload Identity pool the pods are in; where null, the same project."
  type        = string
  default     = null
}

variable "name" {
  description = "The Google service account's ID: the part of its e-mail before the @."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.name))
    error_message = "Expected 6 to 30 lower case letters, digits and hyphens, beginning with a letter."
  }
}

variable "namespace" {
  description = "The namespace of the Kubernetes service account."
  type        = string
}

variable "service_account" {
  description = "The Kubernetes service account that acts as the Google one."
  type        = string
}
