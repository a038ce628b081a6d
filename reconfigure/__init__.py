"""Reconcile a mail tier's live configuration with what DynamoDB and Cognito say.

Start reading at `reconcile.py` (one pass, in order), then `loop.py` (when passes happen).
"""

__version__ = "0.1.0"
