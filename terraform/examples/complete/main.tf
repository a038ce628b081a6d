# Everything: tables, messages, three services on Fargate in a cluster of their own, load balancer, volumes, alarms.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.25, < 7"
    }
  }
}

provider "aws" {
  region = "eu-west-1"
}

locals {
  parameters = "arn:aws:ssm:eu-west-1:111122223333:parameter/mail"

  # The same certificate for all three here; each tier may have its own.
  tls = {
    TLS_CA_BUNDLE = "${local.parameters}/tls-ca-bundle"
    TLS_CERT      = "${local.parameters}/tls-cert"
    TLS_KEY       = "${local.parameters}/tls-key"
  }

  # No row of the table can take mail of another domain.
  domains = { MAIL_DOMAINS = "example.com" }
}

module "reconfigure" {
  source = "../.."

  cert_domain         = "mail.example.com"
  user_pool_id        = "eu-west-1_AbCdEfGhI"
  user_pool_client_id = "1example23456789"

  create_addresses_table = true
  stream_package         = "${path.module}/publish.zip"

  launch_type        = "FARGATE"
  vpc_id             = "vpc-0123456789abcdef0"
  public_subnet_ids  = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  private_subnet_ids = ["subnet-0123456789abcdef2", "subnet-0123456789abcdef3"]
  alarm_topic_arns   = ["arn:aws:sns:eu-west-1:111122223333:people"]

  services = {
    imap = {
      image       = "registry.example.com/mail-imap:1"
      secrets     = merge(local.tls, { MASTER_PASSWORD = "${local.parameters}/master-password" })
      environment = merge(local.domains, { NETWORK_CIDR = "10.0.0.0/16" })
      memory      = 1024
    }
    smtp-in = {
      image       = "registry.example.com/mail-smtp-in:1"
      secrets     = local.tls
      environment = local.domains
    }
    smtp-out = {
      image       = "registry.example.com/mail-smtp-out:1"
      secrets     = merge(local.tls, { DKIM_PRIVATE_KEY = "${local.parameters}/dkim-private-key" })
      environment = merge(local.domains, { RECONFIGURE_MESSAGE_BYTES = "26214400" })
    }
  }

  tags = { Project = "mail" }
}

output "load_balancer_dns_name" {
  description = "What MX records and the names of imap and smtp-out point to."
  value       = module.reconfigure.load_balancer_dns_name
}
