# Once for a cluster in each AWS account whose roles its pods assume in cluster mode, however many roles these are. Google
# mode needs no provider.

resource "aws_iam_openid_connect_provider" "cluster" {
  url            = var.issuer
  client_id_list = var.audiences

  # Google's, as its documentation has it; AWS trusts the issuer's certificate by its public CA.
  thumbprint_list = ["08745487e891c19e3078c1f2a07e452950ef36f6"]
}
