"""The operational store: what changes row by row and must be transactional."""
