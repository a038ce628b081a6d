# What the other files share: where this runs, which tiers there are, and the ARNs of what may exist already.
#
# messaging.tf      topic, and each tier's queue with its dead letters
# tables.tf         address table (unless it exists) and fleet table
# parameters.tf     where each tier pings
# iam.tf            what each tier may do, and what operators may do from inside it
# ecs.tf            tasks and services; containers.tf what is in a task
# storage.tf        mailboxes and mail queues
# network.tf        load balancer, security groups, the name by which relays find imap
# observability.tf  logs and dashboard; alarms.tf the alarms
# stream.tf         a function that tells the topic of every change of the table (optional)

data "aws_partition" "current" {}

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

locals {
  tiers = toset(["imap", "smtp-in", "smtp-out"])

  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.region
  account   = data.aws_caller_identity.current.account_id

  # Written out, so that a table or pool that this module does not make needs no look-up and no right to do one.
  addresses_table_arn = "arn:${local.partition}:dynamodb:${local.region}:${local.account}:table/${var.addresses_table_name}"
  user_pool_arn       = "arn:${local.partition}:cognito-idp:${local.region}:${local.account}:userpool/${var.user_pool_id}"

  # Whatever only a running task needs is made only where there is one.
  any_service = length(var.services) > 0
}
