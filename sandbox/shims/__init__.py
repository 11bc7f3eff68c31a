"""Stand-ins for Shopify's polaris.js and app-bridge.js, and the check of pages against their contract."""
