"""What requests and answers look like: one module per noun; the OpenAPI document comes from these."""
