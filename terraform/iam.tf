# What a tier may do. docs/reference/permissions.md says of each action what fails without it, and a test holds both equal.
#
# Two actions of that page are in no policy: cognito-idp:InitiateAuth is not signed, and sqs:GetQueueUrl is not needed
# where SQS_DLQ_URL is set, as it is here.

data "aws_iam_policy_document" "tier" {
  for_each = local.tiers

  statement {
    sid       = "ReadAddresses"
    actions   = ["dynamodb:Scan", "dynamodb:DescribeTable", "dynamodb:BatchGetItem"]
    resources = [local.addresses_table_arn]
  }

  statement {
    sid       = "ReadUsers"
    actions   = ["cognito-idp:ListUsers", "cognito-idp:DescribeUserPoolClient"]
    resources = [local.user_pool_arn]
  }

  statement {
    sid       = "TakeMessages"
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
    resources = [aws_sqs_queue.changes[each.key].arn]
  }

  statement {
    sid       = "SeeDepths"
    actions   = ["sqs:GetQueueAttributes"]
    resources = [aws_sqs_queue.changes[each.key].arn, aws_sqs_queue.dead[each.key].arn]
  }

  statement {
    sid       = "SeeFleet"
    actions   = ["dynamodb:GetItem", "dynamodb:Query"]
    resources = [aws_dynamodb_table.fleet.arn]
  }

  statement {
    sid       = "KeepOwnTierInFleet"
    actions   = ["dynamodb:PutItem", "dynamodb:DeleteItem"]
    resources = [aws_dynamodb_table.fleet.arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = [each.key]
    }
  }

  statement {
    sid       = "ReadPingUrl"
    actions   = ["ssm:GetParameter"]
    resources = [aws_ssm_parameter.heartbeat[each.key].arn]
  }
}

resource "aws_iam_policy" "tier" {
  for_each = local.tiers

  name        = "${var.name}-${each.key}"
  description = "What reconfigure does in the tier ${each.key}"
  policy      = data.aws_iam_policy_document.tier[each.key].json
  tags        = merge(var.tags, { Tier = each.key })
}

# What operators do with `reconfigure queue` and `reconfigure notify`, which run in the container and so by its role.
data "aws_iam_policy_document" "operators" {
  for_each = local.tiers

  statement {
    sid       = "LookIntoDeadLetters"
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
    resources = [aws_sqs_queue.dead[each.key].arn]
  }

  statement {
    sid       = "MoveDeadLettersBySqs"
    actions   = ["sqs:StartMessageMoveTask", "sqs:ListMessageMoveTasks"]
    resources = [aws_sqs_queue.dead[each.key].arn]
  }

  statement {
    sid       = "MoveDeadLettersBack"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.changes[each.key].arn]
  }

  statement {
    sid       = "EmptyQueues"
    actions   = ["sqs:PurgeQueue"]
    resources = [aws_sqs_queue.changes[each.key].arn, aws_sqs_queue.dead[each.key].arn]
  }

  statement {
    sid       = "SayThatSomethingChanged"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.changes.arn]
  }
}

resource "aws_iam_policy" "operators" {
  for_each = local.tiers

  name        = "${var.name}-${each.key}-operators"
  description = "What operators do by reconfigure queue and notify in the tier ${each.key}"
  policy      = data.aws_iam_policy_document.operators[each.key].json
  tags        = merge(var.tags, { Tier = each.key })
}

# What ECS itself needs of the role: a shell by ECS Exec, and the volumes.
data "aws_iam_policy_document" "platform" {
  for_each = var.services

  statement {
    sid = "EcsExec"
    actions = [
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    # The only wildcard here: these actions know no resource ("Actions, resources, and condition keys for Amazon
    # Message Gateway Service"). What a channel leads to is decided by who may call ecs:ExecuteCommand.
    resources = ["*"]
  }

  statement {
    sid = "MountVolumes"
    # Root, because the daemons' folders get their owners at start: homes the users', the mail queue sendmail's.
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite", "elasticfilesystem:ClientRootAccess"]
    resources = [local.file_system_arn]

    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values = concat(
        [aws_efs_access_point.mail_queue[each.key].arn],
        each.key == "imap" ? [for point in aws_efs_access_point.homes : point.arn] : [],
      )
    }
  }
}

data "aws_iam_policy_document" "tasks_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    # Only for tasks of this account (the confused deputy of the IAM User Guide).
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "task" {
  for_each = var.services

  name               = "${var.name}-${each.key}-task"
  description        = "What the containers of ${each.key} may do"
  assume_role_policy = data.aws_iam_policy_document.tasks_assume.json
  tags               = merge(var.tags, { Tier = each.key })
}

resource "aws_iam_role_policy_attachment" "tier" {
  for_each = var.services

  role       = aws_iam_role.task[each.key].name
  policy_arn = aws_iam_policy.tier[each.key].arn
}

resource "aws_iam_role_policy_attachment" "operators" {
  for_each = { for tier, service in var.services : tier => service if var.operators_in_tasks }

  role       = aws_iam_role.task[each.key].name
  policy_arn = aws_iam_policy.operators[each.key].arn
}

resource "aws_iam_role_policy" "platform" {
  for_each = var.services

  name   = "platform"
  role   = aws_iam_role.task[each.key].id
  policy = data.aws_iam_policy_document.platform[each.key].json
}

# What the agent does before the container runs: image, secrets, log. The container never has these rights.
data "aws_iam_policy_document" "execution" {
  for_each = var.services

  # ecr:GetAuthorizationToken knows no resource, so it is granted only where images are in ECR: a second wildcard.
  dynamic "statement" {
    for_each = each.value.ecr_repository_arn == null ? [] : [each.value.ecr_repository_arn]

    content {
      sid       = "LogInToEcr"
      actions   = ["ecr:GetAuthorizationToken"]
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = each.value.ecr_repository_arn == null ? [] : [each.value.ecr_repository_arn]

    content {
      sid       = "PullImage"
      actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      resources = [statement.value]
    }
  }

  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.tier[each.key].arn}:*"]
  }

  dynamic "statement" {
    for_each = length(local.secret_parameters[each.key]) == 0 ? [] : [local.secret_parameters[each.key]]

    content {
      sid       = "ReadSecretParameters"
      actions   = ["ssm:GetParameters"]
      resources = statement.value
    }
  }

  dynamic "statement" {
    for_each = length(local.secret_secrets[each.key]) == 0 ? [] : [local.secret_secrets[each.key]]

    content {
      sid       = "ReadSecrets"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = statement.value
    }
  }

  dynamic "statement" {
    for_each = length(var.secrets_kms_key_arns) == 0 ? [] : [var.secrets_kms_key_arns]

    content {
      sid       = "DecryptSecrets"
      actions   = ["kms:Decrypt"]
      resources = statement.value
    }
  }
}

resource "aws_iam_role" "execution" {
  for_each = var.services

  name               = "${var.name}-${each.key}-execution"
  description        = "What ECS does to start the containers of ${each.key}"
  assume_role_policy = data.aws_iam_policy_document.tasks_assume.json
  tags               = merge(var.tags, { Tier = each.key })
}

resource "aws_iam_role_policy" "execution" {
  for_each = var.services

  name   = "start"
  role   = aws_iam_role.execution[each.key].id
  policy = data.aws_iam_policy_document.execution[each.key].json
}
