variable "role_name" {
  description = "The role's name."
  type        = string
}

variable "issuer" {
  description = "The cluster's OIDC issuer: kubectl get --raw /.well-known/openid-configuration shows it."
  type        = string

  validation {
    condition     = can(regex("^https://.*[^/]$", var.issuer))
    error_message = "Expected https://HOST/PATH without a slash at the end."
  }
}

variable "namespace" {
  description = "The namespace of the Kubernetes service account."
  type        = string
}

variable "service_account" {
  description = "The Kubernetes service account whose pods assume the role."
  type        = string
}

variable "audience" {
  description = "The audience of the token: the webhook's --cluster-audience, or the annotation admission.token-injector/audience."
  type        = string
  default     = "sts.amazonaws.com"
}

variable "max_session_duration" {
  description = "The longest session that the application may ask for, in seconds."
  type        = number
  default     = 3600
}
