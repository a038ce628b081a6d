# The address table belongs to the admin app, so an installation mostly has one already.

resource "aws_dynamodb_table" "addresses" {
  count = var.create_addresses_table ? 1 : 0

  name             = var.addresses_table_name
  billing_mode     = "PAY_PER_REQUEST"
  hash_key         = "address"
  stream_enabled   = true
  stream_view_type = "KEYS_ONLY"
  # A table that is gone ends mail for everybody once somebody approves it.
  deletion_protection_enabled = true
  tags                        = var.tags

  attribute {
    name = "address"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled = true
  }
}

# One row a task; rows of tasks that ended go by themselves.
resource "aws_dynamodb_table" "fleet" {
  name         = "${var.name}-fleet"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "tier"
  range_key    = "task"
  tags         = var.tags

  attribute {
    name = "tier"
    type = "S"
  }

  attribute {
    name = "task"
    type = "S"
  }

  ttl {
    attribute_name = "expires"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled = true
  }
}
