variable "role_name" {
  description = "The role's name."
  type        = string
}

variable "provider_arn" {
  description = "The IAM OIDC provider of the cluster in the role's account: the output provider_arn of ../aws-cluster."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:iam::[0-9]{12}:oidc-provider/.+$", var.provider_arn))
    error_message = "Expected arn:aws:iam::ACCOUNT:oidc-provider/HOST/PATH."
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
