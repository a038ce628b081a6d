# Beside an installation that has its table, pool, cluster and services: only messages, fleet table, parameters,
# policies, logs and alarms. Its own task roles get the policies, its own task definitions the settings and the log group
# below.

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
  metrics_namespace = "Reconfigure"
}

variable "task_roles" {
  description = "Name of each tier's task role."
  type        = map(string)
  default = {
    imap     = "mail-imap-task"
    smtp-in  = "mail-smtp-in-task"
    smtp-out = "mail-smtp-out-task"
  }
}

module "reconfigure" {
  source = "../.."

  cert_domain         = "mail.example.com"
  user_pool_id        = "eu-west-1_AbCdEfGhI"
  user_pool_client_id = "1example23456789"

  addresses_table_name = "cabal-addresses"
  metrics_namespace    = local.metrics_namespace
  alarm_topic_arns     = ["arn:aws:sns:eu-west-1:111122223333:people"]
}

resource "aws_iam_role_policy_attachment" "tier" {
  for_each = var.task_roles

  role       = each.value
  policy_arn = module.reconfigure.policy_arns[each.key]
}

output "settings" {
  description = "What each tier's task definition sets besides what it has."
  value = {
    for tier in keys(var.task_roles) : tier => {
      SQS_QUEUE_URL          = module.reconfigure.queue_urls[tier]
      SQS_DLQ_URL            = module.reconfigure.dead_letter_queue_urls[tier]
      HEALTHCHECK_PING_PARAM = module.reconfigure.heartbeat_parameters[tier]
      FLEET_TABLE            = module.reconfigure.fleet_table_name
      # The alarms read its figures; without it the alarm `silent` never ends.
      RECONFIGURE_EMF_NAMESPACE = local.metrics_namespace
    }
  }
}

output "log_group_names" {
  description = "Where each tier's task definition sends its log, as awslogs-group; the alarm on pings reads it."
  value       = module.reconfigure.log_group_names
}

output "topic_arn" {
  description = "Topic that the admin app tells of changes."
  value       = module.reconfigure.topic_arn
}
