"""What runs when: the scheduler, the pool, one module per job."""
