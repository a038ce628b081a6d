output "topic_arn" {
  description = "Topic that the admin app tells of changes."
  value       = aws_sns_topic.changes.arn
}

output "queue_urls" {
  description = "Each tier's queue: SQS_QUEUE_URL."
  value       = { for tier, queue in aws_sqs_queue.changes : tier => queue.url }
}

output "dead_letter_queue_urls" {
  description = "Each tier's dead-letter queue: SQS_DLQ_URL."
  value       = { for tier, queue in aws_sqs_queue.dead : tier => queue.url }
}

output "heartbeat_parameters" {
  description = "Each tier's parameter for its ping URL: HEALTHCHECK_PING_PARAM."
  value       = { for tier, parameter in aws_ssm_parameter.heartbeat : tier => parameter.name }
}

output "addresses_table_name" {
  description = "Address table: ADDRESSES_TABLE."
  value       = var.create_addresses_table ? aws_dynamodb_table.addresses[0].name : var.addresses_table_name
}

output "fleet_table_name" {
  description = "Fleet table: FLEET_TABLE."
  value       = aws_dynamodb_table.fleet.name
}

output "policy_arns" {
  description = "Each tier's policy, for the task roles of services that are not made here."
  value       = { for tier, policy in aws_iam_policy.tier : tier => policy.arn }
}

output "operator_policy_arns" {
  description = "Each tier's policy for operators."
  value       = { for tier, policy in aws_iam_policy.operators : tier => policy.arn }
}

output "cluster_name" {
  description = "ECS cluster of the services; empty where there are none and none was named."
  value       = local.cluster_name
}

output "task_role_arns" {
  description = "Role of each service's tasks."
  value       = { for tier, role in aws_iam_role.task : tier => role.arn }
}

output "load_balancer_dns_name" {
  description = "Name of the load balancer, for MX records and aliases; empty without services."
  value       = join("", [for balancer in aws_lb.mail : balancer.dns_name])
}

output "file_system_id" {
  description = "File system of mailboxes and mail queues; empty without services."
  value       = local.file_system_id
}

output "log_group_names" {
  description = "Each tier's log group."
  value       = { for tier, group in aws_cloudwatch_log_group.tier : tier => group.name }
}
