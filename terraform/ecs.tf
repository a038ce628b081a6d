# Cluster, task definitions and services.

resource "aws_ecs_cluster" "this" {
  count = local.any_service && var.cluster_name == null ? 1 : 0

  name = var.name
  tags = var.tags

  # The alarm on missing tasks reads its figures.
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

locals {
  cluster_name = var.cluster_name == null ? join("", [for cluster in aws_ecs_cluster.this : cluster.name]) : var.cluster_name
}

resource "aws_ecs_task_definition" "tier" {
  for_each = var.services

  family                   = "${var.name}-${each.key}"
  requires_compatibilities = [var.launch_type]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.memory
  task_role_arn            = aws_iam_role.task[each.key].arn
  execution_role_arn       = aws_iam_role.execution[each.key].arn
  container_definitions    = jsonencode([local.containers[each.key]])
  tags                     = merge(var.tags, { Tier = each.key })

  # The definition before stays usable: ECS goes back to it by itself, and so may an operator.
  skip_destroy = true

  volume {
    name = local.state_volume
  }

  dynamic "volume" {
    for_each = local.empty_volumes

    content {
      name = volume.key
    }
  }

  # Mail that was accepted and not yet passed on must outlive its task. ECS gives the next task no disk of the last
  # one, so it lies on EFS. Tasks of a tier share the folder; sendmail locks each message, and EFS knows such locks.
  volume {
    name = "mail-queue"

    efs_volume_configuration {
      file_system_id     = local.file_system_id
      transit_encryption = "ENABLED"

      authorization_config {
        access_point_id = aws_efs_access_point.mail_queue[each.key].id
        iam             = "ENABLED"
      }
    }
  }

  dynamic "volume" {
    for_each = each.key == "imap" ? aws_efs_access_point.homes : []

    content {
      name = "homes"

      efs_volume_configuration {
        file_system_id     = local.file_system_id
        transit_encryption = "ENABLED"

        authorization_config {
          access_point_id = volume.value.id
          iam             = "ENABLED"
        }
      }
    }
  }
}

resource "aws_ecs_service" "tier" {
  for_each = var.services

  name            = each.key
  cluster         = local.cluster_name
  task_definition = aws_ecs_task_definition.tier[each.key].arn
  desired_count   = each.value.count
  launch_type     = var.launch_type
  # A shell in the container, for the runbooks. Who has it has the container's secrets: decision 15.
  enable_execute_command = true
  propagate_tags         = "SERVICE"
  tags                   = merge(var.tags, { Tier = each.key })

  # New tasks come before old ones go, so no port is ever closed.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = 120

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.private_subnet_ids
    security_groups  = [aws_security_group.tier[each.key].id]
    assign_public_ip = false
  }

  dynamic "load_balancer" {
    for_each = { for name, listener in local.listeners : name => listener if listener.tier == each.key }

    content {
      target_group_arn = aws_lb_target_group.tier[load_balancer.key].arn
      container_name   = each.key
      container_port   = load_balancer.value.port
    }
  }

  dynamic "service_registries" {
    for_each = each.key == "imap" ? aws_service_discovery_service.imap : []

    content {
      registry_arn = service_registries.value.arn
    }
  }

  # The load balancer must know a target group before a service may use it; the role must be whole before a task starts.
  depends_on = [
    aws_lb_listener.tier,
    aws_efs_mount_target.mail,
    aws_iam_role_policy.execution,
    aws_iam_role_policy.platform,
    aws_iam_role_policy_attachment.tier,
  ]
}
