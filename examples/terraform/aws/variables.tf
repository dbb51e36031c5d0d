variable "role_name" {
  description = "The role's name."
  type        = string
}

variable "google_service_account_unique_id" {
  description = "The Google service account's numeric unique ID: the output unique_id of ../google."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{15,25}$", var.google_service_account_unique_id))
    error_message = "Expected the numeric unique ID. An e-mail may be given to another account later."
  }
}

variable "audience" {
  description = "The audience of the token: the webhook's --audience, or the annotation admission.token-injector/audience."
  type        = string
  default     = "token-injector/sts/assume-role-with-web-identity"
}

variable "bucket" {
  description = "What the example's permission policy allows: reading this S3 bucket."
  type        = string
}

variable "max_session_duration" {
  description = "The longest session that the application may ask for, in seconds."
  type        = number
  default     = 3600
}
