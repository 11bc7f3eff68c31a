"""Everything that speaks with Shopify: install, tokens, GraphQL, bulk import, webhooks."""
