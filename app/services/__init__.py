"""One module per use; called by api, jobs, shopify and the command line."""
