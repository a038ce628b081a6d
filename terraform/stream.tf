# A function that tells the topic of every change of the address table, where the admin app does not do it itself.
# reconfigure/notify.py of this project is all of it; `stream_package` is a zip file of it.

locals {
  stream_functions = var.stream_package == null ? {} : { publish = var.stream_package }
  stream_arn       = var.create_addresses_table ? join("", [for table in aws_dynamodb_table.addresses : table.stream_arn]) : var.stream_arn
}

data "aws_iam_policy_document" "stream_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "stream" {
  for_each = local.stream_functions

  statement {
    sid       = "ReadStream"
    actions   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
    resources = [local.stream_arn]
  }

  statement {
    sid       = "TellTopic"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.changes.arn]
  }

  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.stream[each.key].arn}:*"]
  }
}

resource "aws_cloudwatch_log_group" "stream" {
  for_each = local.stream_functions

  name              = "/${var.name}/stream"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_iam_role" "stream" {
  for_each = local.stream_functions

  name               = "${var.name}-stream"
  description        = "What the function at the address table's stream may do"
  assume_role_policy = data.aws_iam_policy_document.stream_assume.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "stream" {
  for_each = local.stream_functions

  name   = "publish"
  role   = aws_iam_role.stream[each.key].id
  policy = data.aws_iam_policy_document.stream[each.key].json
}

resource "aws_lambda_function" "stream" {
  for_each = local.stream_functions

  function_name    = "${var.name}-stream"
  description      = "Tells the mail tiers which addresses changed"
  role             = aws_iam_role.stream[each.key].arn
  filename         = each.value
  source_code_hash = filebase64sha256(each.value)
  handler          = "notify.from_stream"
  runtime          = "python3.13"
  timeout          = 30
  tags             = var.tags

  environment {
    variables = { TOPIC_ARN = aws_sns_topic.changes.arn }
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.stream[each.key].name
  }

  depends_on = [aws_iam_role_policy.stream]
}

resource "aws_lambda_event_source_mapping" "stream" {
  for_each = local.stream_functions

  event_source_arn  = local.stream_arn
  function_name     = aws_lambda_function.stream[each.key].arn
  starting_position = "LATEST"
  batch_size        = 1000
  # A second gathers what belongs together, as the loop does after it.
  maximum_batching_window_in_seconds = 1
  # An hour; after that the tiers' timer has long applied the change.
  maximum_record_age_in_seconds  = 3600
  bisect_batch_on_function_error = true
}
