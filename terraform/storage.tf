# One file system for mailboxes and for mail that waits to be passed on.

resource "aws_efs_file_system" "mail" {
  count = local.any_service && var.file_system_id == null ? 1 : 0

  encrypted        = true
  performance_mode = "generalPurpose"
  throughput_mode  = "elastic"
  tags             = merge(var.tags, { Name = "${var.name}-mail" })

  lifecycle {
    # Everybody's mail.
    prevent_destroy = true
  }
}

resource "aws_efs_backup_policy" "mail" {
  count = length(aws_efs_file_system.mail)

  file_system_id = aws_efs_file_system.mail[count.index].id

  backup_policy {
    status = "ENABLED"
  }
}

resource "aws_efs_mount_target" "mail" {
  # By number: the subnets' ids may not be known yet, but how many there are is.
  count = local.any_service && var.file_system_id == null ? length(var.private_subnet_ids) : 0

  file_system_id  = aws_efs_file_system.mail[0].id
  subnet_id       = var.private_subnet_ids[count.index]
  security_groups = [for group in aws_security_group.files : group.id]
}

locals {
  file_system_id  = var.file_system_id == null ? join("", [for system in aws_efs_file_system.mail : system.id]) : var.file_system_id
  file_system_arn = "arn:${local.partition}:elasticfilesystem:${local.region}:${local.account}:file-system/${local.file_system_id}"
}

# No user is forced on an access point: homes belong to their users, and sendmail's queue to sendmail.
resource "aws_efs_access_point" "homes" {
  count = contains(keys(var.services), "imap") ? 1 : 0

  file_system_id = local.file_system_id
  tags           = merge(var.tags, { Name = "${var.name}-homes" })

  root_directory {
    path = "/home"

    creation_info {
      owner_uid   = 0
      owner_gid   = 0
      permissions = "755"
    }
  }
}

resource "aws_efs_access_point" "mail_queue" {
  for_each = var.services

  file_system_id = local.file_system_id
  tags           = merge(var.tags, { Name = "${var.name}-${each.key}-mail-queue" })

  root_directory {
    path = "/mail-queue/${each.key}"

    # Root's, so that the container's start gives it to sendmail; only then may sendmail's own account work in it.
    creation_info {
      owner_uid   = 0
      owner_gid   = 0
      permissions = "750"
    }
  }
}
