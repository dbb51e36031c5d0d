variable "issuer" {
  description = "The cluster's OIDC issuer: kubectl get --raw /.well-known/openid-configuration shows it."
  type        = string

  validation {
    condition     = can(regex("^https://.*[^/]$", var.issuer))
    error_message = "Expected https://HOST/PATH without a slash at the end."
  }
}

variable "audiences" {
  description = "The audiences of tokens: the webhook's --cluster-audience, and what annotations admission.token-injector/audience add."
  type        = list(string)
  default     = ["sts.amazonaws.com"]
}
