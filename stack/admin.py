"""What the admin app does to a world: writes rows and users, and tells the topic. Never asks a tier."""

from collections.abc import Mapping
from typing import Any

from embedded import aws, sample
from embedded.aws import Clients
from reconfigure import notify


class AdminApp:
    """Writes to a world's DynamoDB table and user pool; `quietly=True` leaves the topic out."""

    def __init__(self, clients: Clients, ids: aws.World) -> None:
        self._aws = clients
        self._ids = ids

    def create(self, address: str, *users: str, suspended: bool = False, quietly: bool = False) -> None:
        """Create an address, or put another in its place."""
        made = sample.SampleAddress(address, "/".join(users), suspended=suspended)
        self.put(sample.row(made))
        self._told(address, quietly=quietly)

    def put(self, item: Mapping[str, Any]) -> None:
        """Write a row as it is, and tell nobody."""
        self._aws.dynamodb.put_item(TableName=self._ids.table, Item=item)

    def revoke(self, address: str, *, quietly: bool = False) -> None:
        """Delete an address."""
        self._aws.dynamodb.delete_item(TableName=self._ids.table, Key={"address": {"S": address}})
        self._told(address, quietly=quietly)

    def suspend(self, address: str, *, suspended: bool = True, quietly: bool = False) -> None:
        """Suspend an address."""
        self._aws.dynamodb.update_item(
            TableName=self._ids.table,
            Key={"address": {"S": address}},
            UpdateExpression="SET suspended = :s",
            ConditionExpression="attribute_exists(address)",
            ExpressionAttributeValues={":s": {"BOOL": suspended}},
        )
        self._told(address, quietly=quietly)

    def resume(self, address: str, *, quietly: bool = False) -> None:
        """End a suspension."""
        self.suspend(address, suspended=False, quietly=quietly)

    def has(self, address: str) -> bool:
        """Return whether there is such a row."""
        found = self._aws.dynamodb.get_item(
            TableName=self._ids.table, Key={"address": {"S": address}}, ConsistentRead=True
        )
        return "Item" in found

    def owners(self, address: str) -> list[str]:
        """Return the users of an address, as its row names them.

        Raises:
            LookupError: there is no such row.
        """
        row = self._aws.dynamodb.get_item(TableName=self._ids.table, Key={"address": {"S": address}})
        if "Item" not in row:
            raise LookupError(f"there is no {address} in the table; create it, or name a user who sends")
        return row["Item"]["user"]["S"].split("/")

    def served_users(self) -> list[str]:
        """Return the confirmed and enabled users, sorted."""
        pages = self._aws.cognito.get_paginator("list_users").paginate(UserPoolId=self._ids.pool_id)
        users = (user for page in pages for user in page["Users"])
        return sorted(each["Username"] for each in users if each["UserStatus"] == "CONFIRMED" and each["Enabled"])

    def create_user(self, name: str, osid: int, *, password: str = sample.PASSWORD, quietly: bool = False) -> None:
        """Create a confirmed user."""
        pool = self._ids.pool_id
        numbered = [{"Name": "custom:osid", "Value": str(osid)}]
        self._aws.cognito.admin_create_user(
            UserPoolId=pool,
            Username=name,
            UserAttributes=numbered,  # type: ignore[arg-type] # a TypedDict by any other name
            MessageAction="SUPPRESS",
        )
        self.set_password(name, password)
        self._told(event="user_changed", quietly=quietly)

    def set_password(self, name: str, password: str) -> None:
        """Give a user another password."""
        self._aws.cognito.admin_set_user_password(
            UserPoolId=self._ids.pool_id, Username=name, Password=password, Permanent=True
        )

    def disable(self, name: str, *, quietly: bool = False) -> None:
        """Disable a user."""
        self._aws.cognito.admin_disable_user(UserPoolId=self._ids.pool_id, Username=name)
        self._told(event="user_changed", quietly=quietly)

    def enable(self, name: str, *, quietly: bool = False) -> None:
        """Enable a user again."""
        self._aws.cognito.admin_enable_user(UserPoolId=self._ids.pool_id, Username=name)
        self._told(event="user_changed", quietly=quietly)

    def remove_user(self, name: str, *, quietly: bool = False) -> None:
        """Delete a user."""
        self._aws.cognito.admin_delete_user(UserPoolId=self._ids.pool_id, Username=name)
        self._told(event="user_changed", quietly=quietly)

    def tell(self, *addresses: str, event: str = "address_changed") -> None:
        """Say that something changed."""
        notify.publish(
            addresses,
            event=event,
            topic_arn=self._ids.topic_arn,
            endpoint_url=self._aws.url,
            session=self._aws.session,
        )

    def _told(self, *addresses: str, event: str = "address_changed", quietly: bool) -> None:
        if not quietly:
            self.tell(*addresses, event=event)
