"""Where desired state comes from: addresses (DynamoDB), users (Cognito), parameters (SSM), hints (SQS).

What is read here is complete or an error; what of it is valid is decided in `directory`.
"""
