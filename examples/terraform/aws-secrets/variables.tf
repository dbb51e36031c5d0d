variable "role_name" {
  description = "The role that reads: the output role_name of ../aws or ../aws-cluster-mode."
  type        = string
}

variable "account_id" {
  description = "The AWS account of the secrets."
  type        = string
}

variable "region" {
  description = "Their region."
  type        = string
}

variable "prefix" {
  description = "What their names begin with, without a slash around it: shop/orders for the secret shop/orders/db and the parameter /shop/orders/db."
  type        = string
}

variable "table" {
  description = "The DynamoDB table of secrets; its items' keys begin with the prefix. A name that no table has, where there is none."
  type        = string
  default     = "secrets"
}

variable "kms_key_arn" {
  description = "The KMS key that they are encrypted with."
  type        = string
}
